// Pictures of a pass fit the column; a button shows each in its full size, to be scrolled.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", "enlarged picture");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "close";
  close.addEventListener("click", () => dialog.close());
  const place = document.createElement("div");
  place.tabIndex = 0; // so that the arrow keys scroll it
  dialog.append(close, place);
  document.body.append(dialog);
  const pictures = document.querySelectorAll(
    'div.cell_output svg[role="img"], article img[src$=".svg"]');
  for (const picture of pictures) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "enlarge";
    button.setAttribute("aria-label", `enlarge: ${picture.getAttribute("aria-label") || picture.alt}`);
    button.addEventListener("click", () => {
      const copy = picture.cloneNode(true);
      const width = picture.viewBox ? picture.viewBox.baseVal.width : picture.naturalWidth;
      // On a wide screen as wide as that is, on a narrow one in the size it is drawn in.
      copy.style.cssText = `width:max(${width}px,92vw);max-width:none;height:auto`;
      place.replaceChildren(copy);
      dialog.showModal();
    });
    // In the box of a drawing, below the paragraph of a file.
    if (picture.viewBox) picture.parentElement.append(button);
    else (picture.closest("p") || picture).after(button);
  }
});
