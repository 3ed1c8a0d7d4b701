// Runs before the first paint, so that a chosen colour scheme does not flash, and asks the server what the page of this
// address asks first while its scripts still load: api.js takes the answers.
(function () {
  try {
    const theme = localStorage.getItem("swiftwater.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage may be forbidden; then the system's scheme is used */ }

  const ksql = (text) => ["POST", "sql/ksql", JSON.stringify({ ksql: text, streamsProperties: {}, sessionVariables: {} })];
  // Written as the pages write them: an answer is found by method, address and body.
  const pages = [
    [/^\/(?:overview)?$/, () => ["overview"]],
    [/^\/topics$/, () => ["topics"]],
    [/^\/topics\/([^/]+)$/, (name) => [`topics/${name}`, location.search ? null : `topics/${name}/messages?partition=all&from=last%3A50&limit=50&key_format=auto&value_format=auto`]],
    [/^\/topics\/([^/]+)\/(?:messages|live|produce|partitions|config|groups)$/, (name) => [`topics/${name}`]],
    [/^\/groups$/, () => ["groups"]],
    [/^\/groups\/([^/]+)$/, (id) => [`groups/${id}`]],
    [/^\/schemas$/, () => [location.search ? null : "registry/subjects", "registry/schemas?subjectPrefix=%3A*%3A&latestOnly=true&limit=1000"]],
    [/^\/schemas\/([^/]+)(?:\/[a-z]+)?$/, (subject) => [`registry/subjects/${subject}/versions`, `registry/subjects/${subject}/versions/latest`]],
    [/^\/connectors$/, () => ["connect/connectors?expand=status&expand=info"]],
    [/^\/connectors\/new$/, () => ["connect/connector-plugins"]],
    [/^\/connectors\/([^/]+)(?:\/[a-z-]+)?$/, (name) => [`connect/connectors/${name}`, `connect/connectors/${name}/status`, `connect/connectors/${name}/topics`]],
    [/^\/sql$/, () => [ksql("SHOW STREAMS; SHOW TABLES;"), ksql("SHOW QUERIES;")]],
    [/^\/queries\/([A-Za-z0-9_]+)$/, (id) => [ksql(`EXPLAIN ANALYZE ${id};`)]],
    [/^\/lineage$/, () => ["lineage"]],
    [/^\/dashboards$/, () => ["dashboards"]],
    [/^\/dashboards\/([^/]+)$/, (id) => [`dashboards/${id}`, "about"]],
    [/^\/alerts$/, () => ["inbox/messages"]],
  ];
  const answers = new Map();
  for (const [pattern, asks] of pages) {
    const found = location.pathname.match(pattern);
    if (!found) continue;
    let parts;
    try { parts = found.slice(1).map((part) => encodeURIComponent(decodeURIComponent(part))); } catch { break; }  // a broken escape
    for (const ask of asks(...parts).filter(Boolean)) {
      const [method, address, body] = Array.isArray(ask) ? ask : ["GET", ask];
      const headers = body ? { Accept: "application/json", "Content-Type": "application/json", "X-Swiftwater-Console": "1" } : { Accept: "application/json" };
      const response = fetch(`/api/${address}`, { method, headers, body, cache: "no-store" });
      response.catch(() => {});  // whoever takes it hears of it
      answers.set(`${method} ${address} ${body ?? ""}`, { at: performance.now(), response });
    }
    break;
  }
  globalThis.early = answers;
})();
