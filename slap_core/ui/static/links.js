/* An address that holds a place's settings, so that they can be kept and sent: /tunnel-test?seed=12&outcome=stays
 *
 * A table says what it may hold, in the order of the controls, one row each:
 *
 *   {name, initial, values: [...]}               one of these words
 *   {name, initial, low, high, step}             a number of so many steps from low (step 1 if it is not given)
 *   {name, initial, longest}                     words, at most so many characters
 *
 * `always: true` writes a setting even where it has its initial value. What an address says beside the table, gradio's
 * own parameters for one, is left alone; what the table does not allow counts as not said.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const links = (slap.links = {});

  function allowed(row, text) {
    if (row.values) return row.values.find((value) => String(value) === text);
    if (row.longest !== undefined) return text.length <= row.longest ? text : undefined;
    const number = Number(text);
    if (!/^-?\d+(\.\d+)?$/.test(text) || number < row.low || number > row.high) return undefined;
    const steps = (number - row.low) / (row.step || 1);
    return Math.abs(steps - Math.round(steps)) < 1e-6 ? number : undefined;
  }

  /* The values of the controls by the address, initial ones where it says nothing that is allowed. */
  links.read = (table, query = location.search) => {
    const said = new URLSearchParams(query);
    return table.map((row) => {
      const text = said.get(row.name);
      return (text === null ? undefined : allowed(row, text)) ?? row.initial;
    });
  };

  /* Whether the address says anything that the table allows. */
  links.says = (table, query = location.search) => {
    const said = new URLSearchParams(query);
    return table.some((row) => said.has(row.name) && allowed(row, said.get(row.name)) !== undefined);
  };

  /* The whole address with these values of the controls. */
  links.address = (table, values) => {
    const address = new URL(location.href);
    table.forEach((row, k) => {
      const text = String(values[k]);
      const value = values[k] == null ? undefined : allowed(row, text);
      if (value === undefined || (value === row.initial && !row.always)) address.searchParams.delete(row.name);
      else address.searchParams.set(row.name, text);
    });
    return address.href;
  };

  /* Puts it into the browser's bar; going back still leaves the page. */
  links.write = (table, values) => history.replaceState(history.state, "", links.address(table, values));

  /* Copies the address; resolves to whether that was possible. Without https a browser offers only the old way. */
  links.copy = async (table, values) => {
    links.write(table, values);
    try {
      await navigator.clipboard.writeText(location.href);
      return true;
    } catch {
      const field = Object.assign(document.createElement("textarea"), { value: location.href, readOnly: true });
      const focused = document.activeElement;
      document.body.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      focused?.focus();
      return copied;
    }
  };
})();
