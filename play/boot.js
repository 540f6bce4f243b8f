// Where the modules of the page are: beside it, or, for a page from file:// which may not load
// them, in offline.js. They import each other by the names of this map.
(() => {
  const names = JSON.parse(document.currentScript.dataset.modules);
  const local = location.protocol === "file:";
  // All at once, and not one after another as they name each other.
  const preload = (href) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
  };
  const begin = () => {
    const place = (name) =>
      local
        ? URL.createObjectURL(new Blob([window.offline.modules[name]], { type: "text/javascript" }))
        : new URL(name, document.baseURI).href;
    const map = document.createElement("script");
    map.type = "importmap";
    map.textContent = JSON.stringify({
      imports: Object.fromEntries(names.map((name) => [`play/${name}`, place(name)])),
    });
    document.head.append(map);
    if (!local) for (const name of names) preload(place(name));
    const main = document.createElement("script");
    main.type = "module";
    main.textContent = 'import "play/main.js";';
    document.head.append(main);
  };
  if (!local) return begin();
  const offline = document.createElement("script");
  offline.src = "offline.js";
  offline.onload = begin;
  document.head.append(offline);
})();
