// Which page is at which address. A page is a module of its own, loaded when it is first asked for.

const routes = [
  ["/", () => import("./pages/overview.js")],
  ["/overview", () => import("./pages/overview.js")],
  ["/topics", () => import("./pages/topics.js")],
  ["/topics/:name", () => import("./pages/topic.js")],
  ["/topics/:name/:tab", () => import("./pages/topic.js")],
  ["/groups", () => import("./pages/groups.js")],
  ["/groups/:id", () => import("./pages/group.js")],
  ["/schemas", () => import("./pages/schemas.js")],
  ["/schemas/:subject", () => import("./pages/schema.js")],
  ["/schemas/:subject/:tab", () => import("./pages/schema.js")],
  ["/connectors", () => import("./pages/connectors.js")],
  ["/connectors/new", () => import("./pages/connector-new.js")],
  ["/connectors/:name", () => import("./pages/connector.js")],
  ["/connectors/:name/:tab", () => import("./pages/connector.js")],
  ["/sql", () => import("./pages/sql.js")],
  ["/queries/:id", () => import("./pages/query.js")],
  ["/lineage", () => import("./pages/lineage.js")],
  ["/dashboards", () => import("./pages/dashboards.js")],
  ["/dashboards/:id", () => import("./pages/dashboard.js")],
  ["/alerts", () => import("./pages/alerts.js")],
].map(([pattern, load]) => ({ parts: pattern.split("/").filter(Boolean), load }));

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }  // a broken escape is shown as it is
}

/** The route of a path, with its parameters; null when no page is there. */
export function match(pathname) {
  const given = pathname.split("/").filter(Boolean);
  for (const { parts, load } of routes) {
    if (parts.length !== given.length) continue;
    const params = {};
    const fits = parts.every((name, at) => {
      if (!name.startsWith(":")) return name === given[at];
      params[name.slice(1)] = decoded(given[at]);
      return true;
    });
    if (fits) return { load, params };
  }
  return null;
}
