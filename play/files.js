// Files that lie beside the page, as bytes: fetched, or from offline.js.

export async function file(name) {
  if (window.offline) {
    const text = atob(window.offline.files[name]);
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  }
  const answer = await fetch(new URL(name, document.baseURI));
  if (!answer.ok) throw new Error(`${name} is missing beside the page`);
  return new Uint8Array(await answer.arrayBuffer());
}
