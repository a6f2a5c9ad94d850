"use strict";
// Builds the page out of /openapi.json. Everything is set as text, never as markup.
const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
};
const table = rows => make("table", {}, make("tbody", {}, ...rows.map(cells =>
  make("tr", {}, ...cells.map(cell => make("td", {}, cell))))));
const code = (text, kind) => make("code", kind ? { class: kind } : {}, text);

function example(api, schema, depth = 0) {
  if (!schema || depth > 5) return {};
  if (schema.$ref) return example(api, api.components.schemas[schema.$ref.split("/").pop()], depth + 1);
  if (schema.oneOf) return example(api, schema.oneOf[0], depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "array") return [example(api, schema.items, depth + 1)];
  if (type === "integer") return 0;
  if (type === "boolean") return true;
  if (type === "string") return schema.format === "date-time" ? "2026-01-01T00:00:00.000000Z" : "...";
  const object = {};
  for (const [name, inner] of Object.entries(schema.properties || {})) object[name] = example(api, inner, depth + 1);
  return object;
}

function trial(path, operation) {
  const inputs = operation.parameters.filter(one => one.in !== "header").map(one => {
    const input = make("input", { name: one.name, placeholder: one.schema.type });
    if (one.required) input.required = true;
    input.dataset.place = one.in;
    return make("label", {}, one.name, input);
  });
  const out = make("pre", { hidden: "" });
  const form = make("form", {}, ...inputs, make("button", {}, "Send"));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("input")) {
      if (input.dataset.place === "path") url = url.replace("{" + input.name + "}", encodeURIComponent(input.value));
      else if (input.value) query.set(input.name, input.value);
    }
    if (query.size) url += "?" + query;
    const token = document.getElementById("token").value.trim();
    out.hidden = false;
    out.textContent = "...";
    try {
      const answer = await fetch(url, { headers: token ? { authorization: "Bearer " + token } : {} });
      let text = await answer.text();
      if ((answer.headers.get("content-type") || "").includes("json")) {
        try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* lines of JSON stay as they are */ }
      }
      out.textContent = "GET " + url + "\n" + answer.status + " " + answer.statusText + "\n\n" + text.slice(0, 50000);
    } catch (error) {
      out.textContent = String(error);
    }
  });
  return [make("h3", {}, "Try"), form, out];
}

function section(api, path, method, operation) {
  const parts = [
    make("h2", {}, operation.summary),
    make("div", { class: "path" }, make("span", { class: "method " + method }, method), path,
      make("span", { class: "tag" }, operation["x-scope"] ? "scope " + operation["x-scope"] : "no token")),
  ];
  if (operation.description) parts.push(make("p", {}, operation.description));
  if (operation.parameters.length) {
    parts.push(make("h3", {}, "Parameters"), table(operation.parameters.map(one => [
      code(one.name), one.in + (one.required ? ", required" : ""), one.description || ""])));
  }
  for (const [media, content] of Object.entries(operation.requestBody ? operation.requestBody.content : {})) {
    parts.push(make("h3", {}, "Body " + media), make("pre", {}, JSON.stringify(example(api, content.schema), null, 2)));
  }
  parts.push(make("h3", {}, "Answers"), table(Object.entries(operation.responses).map(([status, response]) => [
    code(status, status < "400" ? "" : "bad"),
    status < "400" ? response.description + " " + Object.keys(response.content).join(", ") : response.description])));
  const streams = operation.responses["200"] && operation.responses["200"].content["text/event-stream"];
  if (method === "get" && !streams && !path.endsWith("/export")) parts.push(...trial(path, operation));
  return make("section", { id: operation.operationId }, ...parts);
}

fetch("/openapi.json").then(answer => answer.json()).then(api => {
  const main = document.getElementById("main");
  const index = make("div");
  document.getElementById("about").textContent = api.info.description;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      main.append(section(api, path, method, operation));
      index.append(make("a", { href: "#" + operation.operationId }, operation.summary));
    }
  }
  const codes = Object.entries(api["x-problem-codes"]).map(([name, about]) => {
    const cell = code(name, "bad");
    cell.id = name;
    return [cell, String(about.status), about.meaning];
  });
  main.append(make("section", { id: "problems" }, make("h2", {}, "Problems"),
    make("p", {}, "Errors are RFC 9457 documents, application/problem+json. The code is stable."), table(codes)));
  index.append(make("a", { href: "#problems" }, "Problems"));
  document.getElementById("index").append(index);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}).catch(error => { document.getElementById("main").textContent = "The description could not be loaded: " + error; });
