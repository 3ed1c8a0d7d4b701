import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** An idempotent producer that runs while the tests kill and restart the broker under it. */
final class Load {
    static final Map<String, Load> RUNNING = new HashMap<>();

    final List<Integer> acknowledged = new ArrayList<>();
    final List<String> failures = new ArrayList<>();
    final AtomicBoolean ends = new AtomicBoolean();
    final AtomicInteger sent = new AtomicInteger();
    Thread thread;

    static void register(Map<String, Driver.Operation> operations) {
        operations.put("loadStart", Load::start);
        operations.put("loadCount", request -> {
            Load load = RUNNING.get(request.get("name").asText());
            synchronized (load.acknowledged) {
                return load.acknowledged.size();
            }
        });
        operations.put("loadStop", Load::stop);
    }

    /** Sends name-0, name-1, ... to one partition, at most `inFlight` unacknowledged, until loadStop. */
    static Object start(JsonNode request) {
        Load load = new Load();
        String name = request.get("name").asText(), topic = request.get("topic").asText();
        int partition = request.get("partition").asInt(), inFlightMax = request.path("inFlight").asInt(500);
        KafkaProducer<byte[], byte[]> producer = DataPath.producer(request);
        load.thread = new Thread(() -> {
            AtomicInteger inFlight = new AtomicInteger();
            try (producer) {
                while (!load.ends.get()) {
                    if (inFlight.get() >= inFlightMax) {
                        Thread.onSpinWait();
                        continue;
                    }
                    int number = load.sent.getAndIncrement();
                    inFlight.incrementAndGet();
                    byte[] value = (name + "-" + number).getBytes(StandardCharsets.UTF_8);
                    producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, failed) -> {
                        synchronized (load.acknowledged) {
                            if (failed == null) load.acknowledged.add(number);
                            else load.failures.add(number + ": " + failed);
                        }
                        inFlight.decrementAndGet();
                    });
                    // Enough to keep the broker busy; the tests' own machine has two cores.
                    if (number % 50 == 0) Thread.sleep(1);
                }
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        });
        RUNNING.put(name, load);
        load.thread.start();
        return null;
    }

    /** Waits for what is in flight. */
    static Object stop(JsonNode request) throws InterruptedException {
        Load load = RUNNING.remove(request.get("name").asText());
        load.ends.set(true);
        load.thread.join();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("sent", load.sent.get());
        answer.put("acknowledged", load.acknowledged);
        answer.put("failures", load.failures);
        return answer;
    }
}
