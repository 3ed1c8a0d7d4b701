import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** One member of a consumer group as a process of its own: children/member.py for the Java client. */
public final class Member {
    static final PrintStream OUT = System.out;
    static final AtomicBoolean CLOSING = new AtomicBoolean();
    static final AtomicLong STALL = new AtomicLong();

    static synchronized void tell(String event, Object... fields) {
        try {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("event", event);
            line.put("at", System.nanoTime() / 1e9);
            for (int index = 0; index < fields.length; index += 2) line.put((String) fields[index], fields[index + 1]);
            OUT.println(Driver.JSON.writeValueAsString(line));
            OUT.flush();
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }

    static List<Object> pairs(Collection<TopicPartition> partitions) {
        List<Object> pairs = new ArrayList<>();
        for (TopicPartition partition : partitions) pairs.add(List.of(partition.topic(), partition.partition()));
        return pairs;
    }

    static void listen() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                JsonNode command = Driver.JSON.readTree(line);
                if (command.get("do").asText().equals("stall"))
                    STALL.set((long) (command.get("seconds").asDouble() * 1000));
                else CLOSING.set(true);
            }
        } catch (Exception ended) {
            ended.printStackTrace();
        }
        CLOSING.set(true);
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err);
        JsonNode options = Driver.JSON.readTree(arguments[0]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", options.get("bootstrap").asText());
        properties.put("group.id", options.get("group").asText());
        properties.put("auto.offset.reset", options.get("reset").asText());
        properties.put("enable.auto.commit", options.get("commit").asText().equals("auto"));
        properties.put("auto.commit.interval.ms", "200");
        properties.put("isolation.level", options.get("isolation").asText());
        properties.put("max.poll.interval.ms", options.get("pollMaxMs").asText());
        properties.put("metadata.max.age.ms", "1000");
        properties.put("reconnect.backoff.ms", "20");
        properties.put("reconnect.backoff.max.ms", "200");
        properties.put("enable.metrics.push", "false");
        // A commit of a topic that is deleted is tried for so long, and the member gives nothing back meanwhile.
        properties.put("default.api.timeout.ms", "5000");
        String assignor = options.path("assignor").asText("range");
        if (options.get("protocol").asText().equals("consumer")) {
            properties.put("group.protocol", "consumer");
            if (options.hasNonNull("assignor")) properties.put("group.remote.assignor", assignor);
        } else {
            properties.put("group.protocol", "classic");
            properties.put("session.timeout.ms", options.get("sessionMs").asText());
            properties.put("heartbeat.interval.ms", options.get("heartbeatMs").asText());
            properties.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + switch (assignor) {
                case "cooperative-sticky" -> "CooperativeStickyAssignor";
                case "roundrobin" -> "RoundRobinAssignor";
                default -> "RangeAssignor";
            });
        }
        if (options.hasNonNull("instance")) properties.put("group.instance.id", options.get("instance").asText());
        Thread listener = new Thread(Member::listen);
        listener.setDaemon(true);
        listener.start();

        boolean commits = options.get("commit").asText().equals("each");
        try (KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            ConsumerRebalanceListener told = new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    tell("assigned", "partitions", pairs(partitions));
                }
                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    try {
                        if (commits) consumer.commitSync();
                    } catch (KafkaException failed) {
                        tell("failed", "error", failed.getClass().getSimpleName(), "message", "commit: " + failed);
                    }
                    tell("revoked", "partitions", pairs(partitions));
                }
                @Override public void onPartitionsLost(Collection<TopicPartition> partitions) {
                    tell("lost", "partitions", pairs(partitions));
                }
            };
            if (options.hasNonNull("regex")) {
                String regex = options.get("regex").asText();
                // The new protocol's pattern is the broker's to evaluate.
                if (options.path("brokerRegex").asBoolean()) consumer.subscribe(new SubscriptionPattern(regex), told);
                else consumer.subscribe(Pattern.compile(regex), told);
            } else {
                List<String> topics = new ArrayList<>();
                for (JsonNode topic : options.get("topics")) topics.add(topic.asText());
                consumer.subscribe(topics, told);
            }
            tell("subscribed");
            while (!CLOSING.get()) {
                Thread.sleep(STALL.getAndSet(0));
                List<Object> records = new ArrayList<>();
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    List<Object> shown = new ArrayList<>();
                    shown.add(record.topic());
                    shown.add(record.partition());
                    shown.add(record.offset());
                    shown.add(record.value());
                    records.add(shown);
                }
                if (records.isEmpty()) continue;
                tell("records", "records", records);
                if (!commits) continue;
                try {
                    consumer.commitSync();
                } catch (KafkaException failed) {
                    tell("failed", "error", failed.getClass().getSimpleName(), "message", "commit: " + failed);
                }
            }
        } catch (Throwable failed) {
            failed.printStackTrace();
            tell("failed", "error", failed.getClass().getSimpleName(), "message", String.valueOf(failed.getMessage()));
            System.exit(1);
        }
        tell("closed");
        System.exit(0);
    }
}
