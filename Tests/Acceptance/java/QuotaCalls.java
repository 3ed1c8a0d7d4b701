import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterClientQuotasOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Quotas as the Java clients set and feel them. */
final class QuotaCalls {
    static void register(Map<String, Driver.Operation> operations) {
        AdminCalls.add(operations, "alterQuotas", QuotaCalls::alter);
        AdminCalls.add(operations, "describeQuotas", QuotaCalls::describe);
        AdminCalls.add(operations, "createTopicAtOnce", (admin, request) -> {
            NewTopic topic = new NewTopic(AdminCalls.topic(request), request.get("partitions").asInt(), (short) 1);
            CreateTopicsOptions options = new CreateTopicsOptions().retryOnQuotaViolation(false);
            return admin.createTopics(List.of(topic), options).all().get();
        });
        operations.put("produceUnderQuota", QuotaCalls::produce);
        operations.put("consumeUnderQuota", QuotaCalls::consume);
    }

    private static Map<String, String> entity(JsonNode node) {
        Map<String, String> entity = new HashMap<>();
        node.fields().forEachRemaining(
            part -> entity.put(part.getKey(), part.getValue().isNull() ? null : part.getValue().asText()));
        return entity;
    }

    static Object alter(Admin admin, JsonNode request) throws Exception {
        List<ClientQuotaAlteration.Op> changes = new ArrayList<>();
        request.get("quotas").fields().forEachRemaining(quota -> changes.add(new ClientQuotaAlteration.Op(
            quota.getKey(), quota.getValue().isNull() ? null : quota.getValue().asDouble())));
        ClientQuotaEntity entity = new ClientQuotaEntity(entity(request.get("entity")));
        AlterClientQuotasOptions options =
            new AlterClientQuotasOptions().validateOnly(request.path("validateOnly").asBoolean());
        return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, changes)), options).all().get();
    }

    /** `entity` names parts, null for the default; `types` are parts of any name. */
    static Object describe(Admin admin, JsonNode request) throws Exception {
        List<ClientQuotaFilterComponent> components = new ArrayList<>();
        request.path("entity").fields().forEachRemaining(part -> components.add(part.getValue().isNull()
            ? ClientQuotaFilterComponent.ofDefaultEntity(part.getKey())
            : ClientQuotaFilterComponent.ofEntity(part.getKey(), part.getValue().asText())));
        for (JsonNode type : request.path("types"))
            components.add(ClientQuotaFilterComponent.ofEntityType(type.asText()));
        ClientQuotaFilter filter = request.path("strict").asBoolean()
            ? ClientQuotaFilter.containsOnly(components) : ClientQuotaFilter.contains(components);
        List<Object> found = new ArrayList<>();
        admin.describeClientQuotas(filter).entities().get().forEach((entity, quotas) -> {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("entity", new TreeMap<>(entity.entries()));
            shown.put("quotas", new TreeMap<>(quotas));
            found.add(shown);
        });
        return found;
    }

    private static double metric(Map<?, ? extends Metric> metrics, String name) {
        double largest = 0;
        for (Metric metric : metrics.values()) {
            if (metric.metricName().name().equals(name) && metric.metricValue() instanceof Double value
                && !value.isNaN()) largest = Math.max(largest, value);
        }
        return largest;
    }

    /** Records of `size` bytes, a request each. */
    static Object produce(JsonNode request) throws Exception {
        Properties properties = Driver.properties(request);
        properties.put("batch.size", "0");
        properties.put("delivery.timeout.ms", "100000");
        properties.put("request.timeout.ms", "60000");
        int count = request.get("count").asInt();
        try (KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            byte[] value = new byte[request.get("size").asInt()];
            for (int number = 0; number < count; number++)
                producer.send(new ProducerRecord<>(AdminCalls.topic(request), 0, null, value)).get();
            return Map.of("throttle", metric(producer.metrics(), "produce-throttle-time-max"));
        }
    }

    static Object consume(JsonNode request) throws Exception {
        Properties properties = Driver.properties(request);
        properties.put("request.timeout.ms", "60000");
        int wanted = request.get("count").asInt(), count = 0;
        double throttle = 0;
        try (KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition(AdminCalls.topic(request), 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            while (count < wanted) {
                count += consumer.poll(Duration.ofMillis(500)).count();
                throttle = Math.max(throttle, metric(consumer.metrics(), "fetch-throttle-time-max"));
            }
        }
        return Map.of("count", count, "throttle", throttle);
    }
}
