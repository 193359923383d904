/* The lesson on paper: fills in worksheet.html with the lesson's own questions, formulas and computed answers, and opens
 * it as a page of its own. Nothing is asked of the server. */
(() => {
  "use strict";
  const { learn, make } = window.slap;
  const { figure } = learn;

  const lessons = () =>
    [...document.querySelectorAll(".learn-step")].map((row) => {
      const name = row.id.replace("learn-", "");
      const legend = row.querySelector("legend").cloneNode(true);
      legend.querySelector("span").remove();
      return {
        title: row.querySelector("h2").textContent,
        question: legend.textContent.trim(),
        formula: row.querySelector(".learn-lab").dataset.formula,
        choices: [...row.querySelectorAll("input[type=radio]")].map((input) => ({
          value: input.value,
          words: input.parentElement.textContent.trim(),
        })),
        answer: learn.mounted[name].answer(),
      };
    });

  function question({ title, question: asked, formula, choices }, number) {
    const item = make("li");
    const boxes = make("ul", "choices");
    boxes.append(...choices.map((choice) => make("li", "", choice.words)));
    item.append(make("h2", "", `${number + 1}. ${title}`), make("p", "formula", formula), make("p", "", asked), boxes);
    item.append(make("div", "line", "I predict this because"), make("div", "line", "It turns out that"));
    return item;
  }

  function answer({ title, choices, answer: found }) {
    const item = make("li");
    const right = found && choices.find((choice) => choice.value === found.value);
    item.append(make("b", "", right ? `${right.words}.` : `${title}.`));
    item.append(` ${right ? found.sentence : "Not computed: the lesson's clip had not arrived."}`);
    return item;
  }

  function row(cells) {
    const line = make("tr");
    line.append(...cells.map((words, i) => make(i ? "td" : "th", "", words)));
    return line;
  }

  /* The lesson's gap at some of its lambdas; S* falls between two of them by the mean pull there. */
  function values(data, wanted) {
    const found = wanted.map((coupling) => data.couplings.indexOf(coupling));
    return found.map((i, n) => {
      const before = found[n - 1];
      const fall = n ? (data.action[before] - data.action[i]) / (data.couplings[i] - data.couplings[before]) : null;
      return row([figure(data.couplings[i]), figure(data.drift[i]), figure(data.action[i]), n ? figure(fall) : ""]);
    });
  }

  function fill(page, data) {
    const all = lessons();
    page.querySelector(".questions").append(...all.map(question));
    page.querySelector(".answers").append(...all.map(answer));
    const wanted = (table) => table.dataset.rows.split(" ");
    page.querySelectorAll(".blank").forEach((table) => {
      const columns = table.querySelectorAll("th").length;
      const rows = wanted(table).map((first) => row([first.replace("_", ""), ...Array(columns - 1).fill("")]));
      table.querySelector("tbody").append(...rows);
    });
    const guesses = page.querySelector("[data-guesses]");
    const [share, number] = guesses.dataset.guesses.split(" ").map(Number);
    guesses.textContent = `p = ${share} and n = ${number} that is ± ${figure(100 * Math.sqrt((share * (1 - share)) / number))} %.`;
    if (!data) return;
    page.querySelectorAll("[data-clip]").forEach((place) => (place.textContent = data[place.dataset.clip]));
    const table = page.querySelector("#lesson-values");
    table.querySelector("tbody").append(...values(data, wanted(table).map(Number)));
  }

  learn.worksheet = (element) => {
    const template = element.querySelector("template");
    element.querySelector(".learn-sheet button").addEventListener("click", () => {
      const page = document.implementation.createHTMLDocument("Worksheet: the path of least action");
      page.documentElement.lang = "en";
      page.body.append(page.importNode(template.content, true));
      fill(page, learn.mounted.clip.data);
      const sheet = new Blob([`<!doctype html>\n${page.documentElement.outerHTML}`], { type: "text/html;charset=utf-8" });
      // A link, as a browser may keep a script from opening windows; the address lives as long as this page.
      Object.assign(make("a"), { href: URL.createObjectURL(sheet), target: "_blank" }).click();
    });
  };
})();
