import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** children/produce.py for the Java client, the idempotent part: NAME:0, NAME:1, ... to the partitions in turn. */
public final class Produce {
    static final List<Integer> ACKNOWLEDGED = new ArrayList<>();

    static void tellAcknowledged() {
        List<Integer> numbers;
        synchronized (ACKNOWLEDGED) {
            if (ACKNOWLEDGED.isEmpty()) return;
            numbers = new ArrayList<>(ACKNOWLEDGED);
            ACKNOWLEDGED.clear();
        }
        Member.tell("acknowledged", "numbers", numbers);
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err);
        JsonNode options = Driver.JSON.readTree(arguments[0]);
        Thread listener = new Thread(Member::listen);
        listener.setDaemon(true);
        listener.start();
        Properties properties = Transact.properties(options);
        properties.put("delivery.timeout.ms", "180000");
        properties.put("max.block.ms", "120000");
        properties.put("linger.ms", "5");
        properties.put("compression.type", options.path("codec").asText("none"));
        String topic = options.get("topic").asText(), name = options.get("name").asText();
        int partitions = options.get("partitions").asInt(), perTick = Math.max(1, options.get("rate").asInt() / 20);
        AtomicInteger open = new AtomicInteger();
        int number = 0;
        Member.tell("started");
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            while (!Member.CLOSING.get()) {
                Thread.sleep(50);
                for (int count = 0; count < perTick && open.get() < 2000; count++) {
                    int sent = number++;
                    open.incrementAndGet();
                    producer.send(new ProducerRecord<>(topic, sent % partitions, null, name + ":" + sent),
                        (metadata, failed) -> {
                            open.decrementAndGet();
                            if (failed != null) {
                                Member.tell("failed", "number", sent, "error", failed.toString());
                                return;
                            }
                            synchronized (ACKNOWLEDGED) {
                                ACKNOWLEDGED.add(sent);
                            }
                        });
                }
                tellAcknowledged();
            }
        }
        tellAcknowledged();
        Member.tell("closed", "sent", number);
        System.exit(0);
    }
}
