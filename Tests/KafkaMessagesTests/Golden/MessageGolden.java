import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;

/**
 * Makes the golden files beside it with kafka-clients 4.3.0 (and Jackson) on the class path:
 *
 *     java -cp LIBRARIES MessageGolden.java CASES messages.jsonl tables.jsonl
 *
 * CASES has lines "NAME VERSION HEX", as `MESSAGE_CASES=CASES swift test --filter GoldenMessageTests` writes them,
 * with those of cases.txt behind. Kafka
 * decodes each, says what it read as JSON and encodes it again; its bytes and its JSON are the golden values. Bytes that
 * Kafka does not take, leaves over or encodes differently end the program.
 */
public class MessageGolden {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        int count = 0;
        try (PrintStream output = new PrintStream(arguments[1], StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(arguments[0]))) {
                String[] words = line.split(" ", 3);
                short version = Short.parseShort(words[1]);
                Class<?> type = messageClass(words[0]);
                ByteBuffer buffer = ByteBuffer.wrap(HexFormat.of().parseHex(words[2]));
                Message message;
                try {
                    message = (Message) type.getConstructor(Readable.class, short.class)
                        .newInstance(new ByteBufferAccessor(buffer), version);
                } catch (Exception error) {
                    throw new IllegalStateException(line, error);
                }
                if (buffer.hasRemaining()) {
                    throw new IllegalStateException(buffer.remaining() + " bytes left: " + line);
                }
                ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
                byte[] bytes = new byte[written.remaining()];
                written.get(bytes);
                String hex = HexFormat.of().formatHex(bytes);
                if (!hex.equals(words[2])) {
                    throw new IllegalStateException("encoded differently: " + line + "\n" + hex);
                }
                Class<?> converter = Class.forName(type.getName() + "JsonConverter");
                JsonNode json = (JsonNode) converter.getMethod("write", type, short.class, boolean.class)
                    .invoke(null, message, version, false);
                ObjectNode golden = mapper.createObjectNode();
                golden.put("name", words[0]).put("version", version).put("hex", hex).set("fields", json);
                output.println(mapper.writeValueAsString(golden));
                count += 1;
            }
        }
        try (PrintStream output = new PrintStream(arguments[2], StandardCharsets.UTF_8)) {
            for (Errors error : Errors.values()) {
                boolean retriable = error.exception() instanceof RetriableException;
                output.println(mapper.writeValueAsString(mapper.createObjectNode().put("kind", "error")
                    .put("code", error.code()).put("name", error.name()).put("retriable", retriable)));
            }
            for (ApiKeys api : ApiKeys.values()) {
                if (!api.hasValidVersion()) continue;
                for (short version = api.oldestVersion(); version <= api.latestVersion(true); version += 1) {
                    output.println(mapper.writeValueAsString(mapper.createObjectNode().put("kind", "api")
                        .put("key", api.id).put("name", api.name).put("version", version)
                        .put("request", api.requestHeaderVersion(version))
                        .put("response", api.responseHeaderVersion(version))));
                }
            }
            long[][] ids = {{0, 0}, {0, 1}, {-1, -1}, {0x0123456789abcdefL, 0xfedcba9876543210L}, {Long.MIN_VALUE, 1}};
            for (long[] id : ids) {
                output.println(mapper.writeValueAsString(mapper.createObjectNode().put("kind", "uuid")
                    .put("high", Long.toHexString(id[0])).put("low", Long.toHexString(id[1]))
                    .put("text", new Uuid(id[0], id[1]).toString())));
            }
        }
        System.out.println(count + " messages");
    }

    private static Class<?> messageClass(String name) throws ClassNotFoundException {
        String base = "org.apache.kafka.common.message." + name;
        try {
            return Class.forName(base + "Data");
        } catch (ClassNotFoundException error) {
            return Class.forName(base);
        }
    }
}
