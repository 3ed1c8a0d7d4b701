// A new connector: first the plugin, then its form.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { navigate, setQuery } from "../router.js";
import { searchInput } from "../ui/form.js";
import { pageHead } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { done } from "../ui/toast.js";
import { connectorForm } from "./connector-form.js";
import { pageOf } from "./connectors.js";

const known = {
  DatagenConnector: "Made-up records of many kinds, for demonstrations and tests",
  MySqlConnector: "Changes of a MySQL database, as they happen", MariaDbConnector: "Changes of a MariaDB database, as they happen", PostgresConnector: "Changes of a PostgreSQL database, as they happen",
  SyslogSourceConnector: "What machines and devices log, by syslog", FileStreamSourceConnector: "Lines of a file", FileStreamSinkConnector: "Lines into a file", JdbcSourceConnector: "Rows of a relational database", JdbcSinkConnector: "Rows into a relational database",
  ElasticsearchSinkConnector: "Documents into a search index", OpensearchSinkConnector: "Documents into a search index", S3SinkConnector: "Objects into S3: JSON, Avro, Parquet", GcsSinkConnector: "Objects into Google Cloud Storage: JSON, Avro, Parquet",
  Hdfs3SinkConnector: "Files into HDFS: Avro, JSON, Parquet", FileStoreSinkConnector: "Files into a folder: JSON, Avro, Parquet", HttpSinkConnector: "Records to a web service", SlackSinkConnector: "Messages to Slack",
  SnowflakeSinkConnector: "Rows into tables of Snowflake", BigQuerySinkConnector: "Rows into tables of BigQuery",
};
const simple = (name) => name.split(".").pop();

export default async function connectorNew({ query, signal }) {
  const plugins = (await api.get("connect/connector-plugins", { signal })).filter(({ type }) => type === "source" || type === "sink");
  const chosen = query.get("plugin");
  const found = chosen && plugins.find((entry) => entry.class === chosen || simple(entry.class) === chosen);
  if (found) {
    const form = await connectorForm({
      plugin: found.class, action: "Create connector", signal,
      submit: async (name, config) => {
        // Not as a change of what may be there by that name.
        await api.post("connect/connectors", { name, config });
        done(`Connector "${name}" was created.`);
        navigate(pageOf(name));
      },
    });
    return h("div", {}, pageHead({ title: `New ${simple(found.class).replace(/Connector$/, "")} ${found.type}`, crumbs: [["Connectors", "/connectors"], ["New", "/connectors/new"]], lead: known[simple(found.class)] }), h("div", { class: "card body" }, form));
  }
  const host = h("div", { class: "stack" });
  const show = (wanted) => {
    const fits = plugins.filter((entry) => `${entry.class} ${known[simple(entry.class)] ?? ""}`.toLowerCase().includes(wanted.toLowerCase()));
    const group = (title, type) => {
      const members = fits.filter((entry) => entry.type === type);
      return members.length ? h("section", { class: "stack-s", "aria-label": title }, h("h2", {}, title), h("div", { class: "plugins" }, members.map((entry) =>
        h("a", { class: "plugin", href: `/connectors/new?plugin=${encodeURIComponent(entry.class)}` }, h("h3", {}, simple(entry.class).replace(/(Source|Sink)?Connector$/, "")), h("p", { class: "muted small" }, known[simple(entry.class)] ?? entry.type), h("p", { class: "class" }, entry.class))))) : null;
    };
    fill(host, group("Sources bring data in", "source"), group("Sinks take data out", "sink"), fits.length ? null : emptyState("No plugin has such a name", "Change the filter."));
  };
  show(query.get("filter") ?? "");
  return h("div", {}, pageHead({ title: "New connector", crumbs: [["Connectors", "/connectors"]], lead: "Which plugin shall do it?" }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Filter plugins", query.get("filter") ?? "", (value) => { setQuery({ filter: value }); show(value); }))), host);
}
