import io.confluent.kafka.schemaregistry.ParsedSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;

/** What Confluent's Java client asks of a registry; ends with "all well", or at the first answer that is wrong. */
public class RegistryCalls {
  private static void check(boolean right, String what) {
    System.out.println((right ? "ok    " : "WRONG ") + what);
    if (!right) {
      System.exit(1);
    }
  }

  private interface Call {
    void run() throws Exception;
  }

  private static void refused(int status, int code, String what, Call call) throws Exception {
    try {
      call.run();
      check(false, what + " was not refused");
    } catch (RestClientException e) {
      boolean right = e.getStatus() == status && e.getErrorCode() == code;
      check(right, what + ": " + e.getStatus() + " " + e.getErrorCode() + " " + e.getMessage());
    }
  }

  private static Schema record(String name, String fields) {
    return new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"" + name + "\",\"fields\":[" + fields + "]}");
  }

  private static String field(String name, String type, String more) {
    return "{\"name\":\"" + name + "\",\"type\":" + type + more + "}";
  }

  public static void main(String[] arguments) throws Exception {
    CachedSchemaRegistryClient client = new CachedSchemaRegistryClient(arguments[0], 100);
    String subject = "java-value";
    Schema first = record("J", field("a", "\"string\"", ""));
    Schema second = record("J", field("a", "\"string\"", "") + "," + field("b", "\"int\"", ",\"default\":7"));
    Schema other = record("J", field("a", "\"string\"", "") + "," + field("c", "\"int\"", ""));

    int id = client.register(subject, new AvroSchema(first));
    check(client.register(subject, new AvroSchema(first)) == id, "registering again gives the same id");
    check(client.getId(subject, new AvroSchema(first)) == id, "getId");
    check(client.getVersion(subject, new AvroSchema(first)) == 1, "getVersion");
    int next = client.register(subject, new AvroSchema(second));
    check(next != id, "another schema has another id");
    check(client.getAllVersions(subject).equals(List.of(1, 2)), "getAllVersions");
    check(client.getAllSubjects().contains(subject), "getAllSubjects");
    check(client.getLatestSchemaMetadata(subject).getVersion() == 2, "getLatestSchemaMetadata");
    check(client.getSchemaMetadata(subject, 1).getId() == id, "getSchemaMetadata");
    CachedSchemaRegistryClient fresh = new CachedSchemaRegistryClient(arguments[0], 100);
    check(((AvroSchema) fresh.getSchemaById(id)).rawSchema().equals(first), "getSchemaById");
    check(((AvroSchema) fresh.getSchemaBySubjectAndId(subject, id)).rawSchema().equals(first), "by subject and id");
    check(client.getAllSubjectsById(id).contains(subject), "getAllSubjectsById");
    check(!client.getAllVersionsById(id).isEmpty(), "getAllVersionsById");
    check(!client.testCompatibility(subject, new AvroSchema(other)), "testCompatibility");
    check(!client.testCompatibilityVerbose(subject, new AvroSchema(other)).isEmpty(), "testCompatibilityVerbose");
    // The code of the time of this client; those since 8.0 are told 40901.
    refused(409, 409, "an incompatible schema", () -> client.register(subject, new AvroSchema(other)));
    refused(404, 40403, "an unknown id", () -> fresh.getSchemaById(99999));
    refused(404, 40401, "an unknown subject", () -> fresh.getLatestSchemaMetadata("none"));
    refused(404, 40402, "an unknown version", () -> fresh.getSchemaMetadata(subject, 9));
    refused(404, 40403, "an unknown schema", () -> fresh.getId(subject, new AvroSchema(other)));

    check(client.updateCompatibility(subject, "FULL").equals("FULL"), "updateCompatibility");
    check(client.getCompatibility(subject).equals("FULL"), "getCompatibility");
    check(client.updateCompatibility(null, "BACKWARD").equals("BACKWARD"), "updateCompatibility of all");
    refused(422, 42203, "an unknown level", () -> client.updateCompatibility(subject, "SOMETIMES"));
    check(client.setMode("READONLY", subject).equals("READONLY"), "setMode");
    check(client.getMode(subject).equals("READONLY"), "getMode");
    refused(422, 42205, "a read-only subject",
        () -> fresh.register(subject, new AvroSchema(record("J", field("a", "\"string\"", "") + "," + field("d", "\"int\"", ",\"default\":1")))));
    check(client.setMode("READWRITE", subject).equals("READWRITE"), "setMode back");

    client.register("acme.Inner", new AvroSchema(record("acme.Inner", field("x", "\"int\"", ""))));
    ParsedSchema outer =
        client
            .parseSchema(
                "AVRO",
                "{\"type\":\"record\",\"name\":\"acme.Outer\",\"fields\":[{\"name\":\"inner\",\"type\":\"acme.Inner\"}]}",
                Collections.singletonList(new SchemaReference("acme.Inner", "acme.Inner", 1)))
            .get();
    int outerId = client.register("outer-value", outer);
    check(fresh.getSchemaById(outerId).references().size() == 1, "references");
    refused(422, 42206, "deleting what is referred to", () -> fresh.deleteSubject("acme.Inner"));

    Map<String, Object> settings = Map.of("schema.registry.url", arguments[0]);
    try (KafkaAvroSerializer serializer = new KafkaAvroSerializer();
        KafkaAvroDeserializer deserializer = new KafkaAvroDeserializer()) {
      serializer.configure(settings, false);
      deserializer.configure(settings, false);
      GenericRecord value = new GenericData.Record(second);
      value.put("a", "hello");
      value.put("b", 5);
      byte[] bytes = serializer.serialize("java", value);
      check(bytes[0] == 0, "framing");
      GenericRecord back = (GenericRecord) deserializer.deserialize("java", bytes);
      check(back.get("a").toString().equals("hello") && back.get("b").equals(5), "serializer and deserializer");
      check("text".equals(deserializer.deserialize("plain", serializer.serialize("plain", "text")).toString()), "a string");
    }

    check(client.deleteSchemaVersion(subject, "1") == 1, "deleteSchemaVersion");
    check(client.deleteSubject(subject).equals(List.of(2)), "deleteSubject");
    check(client.deleteSubject(Collections.emptyMap(), subject, true).equals(List.of(1, 2)), "permanently");
    System.out.println("all well");
  }
}
