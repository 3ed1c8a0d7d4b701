import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Share consumers (KIP-932): by name and step by step, and as threads that work until they are told to stop.
 *
 * A record is [topic, partition, offset, value, delivery count]; of a long value its length and CRC-32.
 */
final class ShareConsumers {
    static final Map<String, KafkaShareConsumer<byte[], byte[]>> CONSUMERS = new HashMap<>();
    /** What each consumer was given, by place: records are acknowledged as what they came as. */
    static final Map<String, Map<List<Object>, ConsumerRecord<byte[], byte[]>>> GIVEN = new HashMap<>();
    static final Map<String, List<Worker>> WORKERS = new HashMap<>();

    static void register(Map<String, Driver.Operation> operations) {
        operations.put("shareOpen", request -> {
            KafkaShareConsumer<byte[], byte[]> consumer = consumer(request);
            CONSUMERS.put(request.get("name").asText(), consumer);
            GIVEN.put(request.get("name").asText(), new HashMap<>());
            subscribe(consumer, request);
            return null;
        });
        operations.put("sharePoll", ShareConsumers::poll);
        operations.put("shareAcknowledge", request -> {
            Map<List<Object>, ConsumerRecord<byte[], byte[]>> given = GIVEN.get(request.get("name").asText());
            for (JsonNode one : request.get("records"))
                named(request).acknowledge(
                    given.get(List.of(one.get(0).asText(), one.get(1).asInt(), one.get(2).asLong())),
                    AcknowledgeType.valueOf(request.get("type").asText()));
            return null;
        });
        operations.put("shareCommit", request -> committed(named(request).commitSync()));
        operations.put("shareClose", request -> {
            GIVEN.remove(request.get("name").asText());
            CONSUMERS.remove(request.get("name").asText()).close(Duration.ofSeconds(5));
            return null;
        });
        operations.put("shareWork", request -> {
            List<Worker> workers = new ArrayList<>();
            for (int index = 0; index < request.get("consumers").asInt(); index++) workers.add(new Worker(request));
            WORKERS.put(request.get("name").asText(), workers);
            for (Worker worker : workers) worker.start();
            return null;
        });
        operations.put("shareProgress", request -> {
            Set<List<Object>> seen = new HashSet<>(), confirmed = new HashSet<>();
            for (Worker worker : WORKERS.get(request.get("name").asText()))
                for (Event event : worker.events) (event.confirms ? confirmed : seen).addAll(event.places());
            return List.of(seen.size(), confirmed.size());
        });
        operations.put("shareStop", ShareConsumers::stop);
    }

    static KafkaShareConsumer<byte[], byte[]> consumer(JsonNode request) {
        Properties properties = Driver.properties(request);
        properties.put("group.id", request.get("group").asText());
        properties.putIfAbsent("reconnect.backoff.ms", "20");
        properties.putIfAbsent("reconnect.backoff.max.ms", "200");
        properties.putIfAbsent("default.api.timeout.ms", "15000");
        properties.putIfAbsent("fetch.max.wait.ms", "200");
        return new KafkaShareConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void subscribe(KafkaShareConsumer<byte[], byte[]> consumer, JsonNode request) {
        List<String> topics = new ArrayList<>();
        for (JsonNode topic : request.get("topics")) topics.add(topic.asText());
        consumer.subscribe(topics);
    }

    static KafkaShareConsumer<byte[], byte[]> named(JsonNode request) {
        return CONSUMERS.get(request.get("name").asText());
    }

    static List<Object> show(ConsumerRecord<byte[], byte[]> record) {
        List<Object> shown = new ArrayList<>(List.of(record.topic(), record.partition(), record.offset()));
        byte[] value = record.value();
        if (value == null || value.length <= 64) {
            shown.add(value == null ? null : new String(value, StandardCharsets.UTF_8));
        } else {
            CRC32 sum = new CRC32();
            sum.update(value);
            shown.add(value.length + ":" + sum.getValue());
        }
        shown.add(record.deliveryCount().map(Short::intValue).orElse(-1));
        return shown;
    }

    static List<List<Object>> show(ConsumerRecords<byte[], byte[]> records) {
        List<List<Object>> shown = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) shown.add(show(record));
        return shown;
    }

    /** The records of the first poll that finds some, or none after "timeoutMs". */
    static Object poll(JsonNode request) {
        long deadline = System.nanoTime() + request.path("timeoutMs").asLong(15_000) * 1_000_000;
        while (true) {
            long left = Math.max(0, (deadline - System.nanoTime()) / 1_000_000);
            ConsumerRecords<byte[], byte[]> found = named(request).poll(Duration.ofMillis(Math.min(left, 500)));
            for (ConsumerRecord<byte[], byte[]> record : found)
                GIVEN.get(request.get("name").asText())
                    .put(List.of(record.topic(), record.partition(), record.offset()), record);
            if (!found.isEmpty() || left == 0) return show(found);
        }
    }

    /** {"topic-0": null, or the name of the exception}. */
    static Map<String, String> committed(Map<TopicIdPartition, Optional<KafkaException>> answers) {
        Map<String, String> shown = new TreeMap<>();
        answers.forEach((partition, failed) -> shown.put(
            partition.topicPartition().toString(), failed.map(one -> one.getClass().getSimpleName()).orElse(null)));
        return shown;
    }

    /** What all consumers of a worker's name did, in one order: [consumer, "seen" or "confirmed", records]. */
    static Object stop(JsonNode request) throws Exception {
        List<Worker> workers = WORKERS.remove(request.get("name").asText());
        for (Worker worker : workers) worker.stopping = true;
        List<Object> failures = new ArrayList<>();
        Map<Long, Object> ordered = new TreeMap<>();
        for (int index = 0; index < workers.size(); index++) {
            Worker worker = workers.get(index);
            worker.join(20_000);
            if (worker.isAlive()) failures.add("consumer " + index + " is still at work: "
                + Arrays.toString(worker.getStackTrace()));
            failures.addAll(worker.failures);
            for (Event event : worker.events)
                ordered.put(event.number, List.of(index, event.confirms ? "confirmed" : "seen", event.records));
        }
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("events", ordered.values());
        shown.put("failures", failures);
        return shown;
    }

    record Event(long number, boolean confirms, List<List<Object>> records) {
        static final AtomicLong NUMBERS = new AtomicLong();

        Event(boolean confirms, List<List<Object>> records) {
            this(NUMBERS.incrementAndGet(), confirms, records);
        }

        List<List<Object>> places() {
            List<List<Object>> places = new ArrayList<>();
            for (List<Object> record : records) places.add(record.subList(0, 3));
            return places;
        }
    }

    /** Accepts what it is given and commits each batch; a failed commit is kept, and the work goes on. */
    static final class Worker extends Thread {
        final JsonNode request;
        final List<Event> events = new CopyOnWriteArrayList<>();
        final List<String> failures = new CopyOnWriteArrayList<>();
        volatile boolean stopping;

        Worker(JsonNode request) {
            this.request = request;
            setDaemon(true);
        }

        @Override public void run() {
            KafkaShareConsumer<byte[], byte[]> consumer = null;
            try {
                consumer = consumer(request);
                subscribe(consumer, request);
                while (!stopping) {
                    try {
                        step(consumer);
                    } catch (KafkaException failed) {
                        failures.add(failed.toString());
                    }
                }
            } catch (Throwable failed) {
                failed.printStackTrace();
                failures.add("ended: " + failed);
            } finally {
                if (consumer != null) consumer.close(Duration.ofSeconds(5));
            }
        }

        /** Without "implicit" each record is accepted by name, which must agree with the client's own mode. */
        void step(KafkaShareConsumer<byte[], byte[]> consumer) {
            ConsumerRecords<byte[], byte[]> found = consumer.poll(Duration.ofMillis(100));
            if (found.isEmpty()) return;
            List<List<Object>> records = show(found);
            events.add(new Event(false, records));
            if (!request.path("implicit").asBoolean())
                for (ConsumerRecord<byte[], byte[]> record : found)
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
            Map<String, String> answers = committed(consumer.commitSync());
            List<List<Object>> confirmed = new ArrayList<>();
            for (List<Object> record : records) {
                String partition = record.get(0) + "-" + record.get(1);
                if (answers.containsKey(partition) && answers.get(partition) == null) confirmed.add(record);
            }
            answers.values().removeIf(failed -> failed == null);
            if (!answers.isEmpty()) failures.add("commit: " + answers);
            events.add(new Event(true, confirmed));
        }
    }

    /** A share consumer as a process of its own, that tells the records it holds, and holds them. */
    public static void main(String[] arguments) throws Exception {
        Member.tell("started");
        System.setOut(System.err);
        JsonNode options = Driver.JSON.readTree(arguments[0]);
        Thread listener = new Thread(Member::listen);
        listener.setDaemon(true);
        listener.start();
        KafkaShareConsumer<byte[], byte[]> consumer = consumer(options);
        subscribe(consumer, options);
        while (!Member.CLOSING.get()) {
            ConsumerRecords<byte[], byte[]> found = consumer.poll(Duration.ofMillis(100));
            if (found.isEmpty()) continue;
            Member.tell("records", "records", show(found));
            while (!Member.CLOSING.get()) Thread.sleep(20);
        }
        consumer.close();
        Member.tell("closed");
        System.exit(0);
    }
}
