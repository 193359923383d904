/* Saves a view that is no plot as it stands: its title, headline and pictures, as PNG or SVG.
 *
 * The elements are copied with the styles that they have now into an SVG (a foreignObject, which browsers draw), and for
 * PNG that is drawn on a canvas. A picture that many elements show stands in the file once.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const SCALE = 2;
  const MARGIN = 16;
  const STYLES = [
    "display", "position", "top", "right", "bottom", "left", "inset", "width", "height", "min-width", "max-width", "min-height",
    "margin", "padding", "box-sizing", "overflow", "visibility", "opacity", "border-top", "border-right", "border-bottom",
    "border-left", "border-radius", "outline", "outline-offset", "box-shadow", "background-color", "background-size",
    "background-position", "background-repeat", "filter", "image-rendering", "color", "font-family", "font-size", "font-weight",
    "font-style", "font-variant-numeric", "line-height", "letter-spacing", "text-align", "text-transform", "text-decoration",
    "text-overflow", "text-wrap", "white-space", "overflow-wrap", "list-style", "grid-template-columns", "grid-column",
    "grid-auto-rows", "column-gap", "row-gap", "flex", "flex-direction", "flex-wrap", "justify-content", "justify-self",
    "align-items", "align-content", "align-self", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin",
    "vector-effect", "text-anchor", "rotate", "z-index", "aspect-ratio",
  ];
  const CONTROLS = ".slap-turn, .slap-cursor, .slap-now, .slap-save, .slap-key-all, summary";

  async function drawing(part) {
    const pictures = new Map(); // background -> the class that shows it
    const parts = [part.title, part.headline, part.body];
    const boxes = parts.map((element) => element.getBoundingClientRect());
    const width = Math.ceil(boxes[2].width) + 2 * MARGIN;
    const height = Math.ceil(boxes[1].bottom - boxes[0].top + boxes[2].height) + 3 * MARGIN;
    const root = make("div");
    root.style.cssText = `padding:${MARGIN}px;background:${slap.variable("--slap-paper")};height:${height - 2 * MARGIN}px`;
    root.append(...parts.map((element) => copy(element, pictures)).filter(Boolean));
    const rules = [...pictures].map(([background, name]) => `.${name}{background-image:${background}}`).join("");
    const xml = new XMLSerializer().serializeToString(root);
    return {
      width, height,
      text: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><style>${rules.replace(/&/g, "&amp;")}</style>` +
        `<foreignObject width="100%" height="100%">${xml}</foreignObject></svg>`,
    };
  }

  function copy(node, pictures) {
    if (node.nodeType === Node.TEXT_NODE) return node.cloneNode();
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(CONTROLS)) return null;
    const style = getComputedStyle(node);
    if (style.display === "none") return null;
    const canvas = node instanceof HTMLCanvasElement;
    const twin = canvas ? make("img") : node instanceof HTMLButtonElement ? make("span") : node.cloneNode(false);
    if (canvas) twin.src = node.toDataURL();
    for (const name of ["id", "class"]) twin.removeAttribute(name);
    twin.setAttribute("style", STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    if (style.backgroundImage.includes("gradient")) twin.style.backgroundImage = style.backgroundImage;
    else if (style.backgroundImage !== "none") {
      if (!pictures.has(style.backgroundImage)) pictures.set(style.backgroundImage, `picture-${pictures.size}`);
      twin.setAttribute("class", pictures.get(style.backgroundImage));
    }
    twin.append(...[...node.childNodes].map((child) => copy(child, pictures)).filter(Boolean));
    return twin;
  }

  async function painted({ text, width, height }) {
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = make("canvas");
    Object.assign(canvas, { width: SCALE * width, height: SCALE * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("it is too large"))), "image/png"));
  }

  function download(blob, name) {
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
  }

  slap.pictureSaver = (part, name) => {
    const row = make("p", "slap-save");
    const told = make("span", "slap-unit");
    told.setAttribute("aria-live", "polite");
    const formats = {
      PNG: (svg) => painted(svg),
      SVG: ({ text }) => new Blob([text], { type: "image/svg+xml" }),
    };
    for (const [format, made] of Object.entries(formats)) {
      const button = make("button", "slap-key-all", `save as ${format}`);
      button.type = "button";
      button.addEventListener("click", async () => {
        told.textContent = "";
        try {
          download(await made(await drawing(part)), `slap-${name}.${format.toLowerCase()}`);
        } catch (error) {
          told.textContent = `This browser cannot draw it (${error.message}); take a picture of the screen instead.`;
        }
      });
      row.append(button);
    }
    row.append(told);
    return row;
  };
})();
