import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Single requests of a chosen version, encoded and decoded by Kafka's own generated classes. The response must be read
 * to its last byte, and Kafka's encoding of what was read must give the same bytes again: that finds default-valued
 * tagged fields, wrong nulls and forgotten tag sections, which lenient clients pass over.
 */
final class Exchange {
    static void register(Map<String, Driver.Operation> operations) {
        operations.put("exchange", Exchange::run);
    }

    /** "requests": list of {key, version, fields}; fields override the message's defaults. All on one connection. */
    static Object run(JsonNode request) throws Exception {
        String[] address = request.get("bootstrap").asText().split(":");
        List<Map<String, Object>> answers = new ArrayList<>();
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            socket.setSoTimeout(15_000);
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            int correlation = 0;
            for (JsonNode one : request.get("requests")) {
                short key = one.get("key").shortValue(), version = one.get("version").shortValue();
                ApiMessageType type = ApiMessageType.fromApiKey(key);
                Map<String, Object> answer = new LinkedHashMap<>();
                answers.add(answer);
                answer.put("key", key);
                answer.put("version", version);
                if (version < type.lowestSupportedVersion() || version > type.highestSupportedVersion(true)) {
                    answer.put("skipped", true);  // older than the definitions these clients carry
                    continue;
                }
                byte[] body = bytes(build(type, version, one.path("fields")), version);
                RequestHeaderData header = new RequestHeaderData().setRequestApiKey(key).setRequestApiVersion(version)
                    .setCorrelationId(++correlation).setClientId("exchange");
                byte[] head = bytes(header, type.requestHeaderVersion(version));
                out.writeInt(head.length + body.length);
                out.write(head);
                out.write(body);
                out.flush();
                byte[] frame = new byte[in.readInt()];
                in.readFully(frame);
                ByteBufferAccessor accessor = new ByteBufferAccessor(ByteBuffer.wrap(frame));
                short headerVersion = type.responseHeaderVersion(version);
                ResponseHeaderData responseHeader = new ResponseHeaderData(accessor, headerVersion);
                if (responseHeader.correlationId() != correlation)
                    throw new IllegalStateException(
                        "correlation id " + responseHeader.correlationId() + ", sent " + correlation);
                ApiMessage response = type.newResponse();
                response.read(accessor, version);
                if (accessor.remaining() != 0) answer.put("unread", accessor.remaining());
                byte[] again = concatenate(bytes(responseHeader, headerVersion), bytes(response, version));
                if (!Arrays.equals(frame, again)) {
                    answer.put("differs", true);
                    answer.put("sent", Driver.text(frame));
                    answer.put("kafka", Driver.text(again));
                }
                answer.put("response", json(response, version));
            }
        }
        return answers;
    }

    static ApiMessage build(ApiMessageType type, short version, JsonNode fields) throws Exception {
        ApiMessage plain = type.newRequest();
        ObjectNode merged = (ObjectNode) json(plain, version);
        fields.fieldNames().forEachRemaining(name -> merged.set(name, fields.get(name)));
        Method read = converter(plain).getMethod("read", JsonNode.class, short.class);
        return (ApiMessage) read.invoke(null, merged, version);
    }

    static JsonNode json(Message message, short version) throws Exception {
        Method write = converter(message).getMethod("write", message.getClass(), short.class);
        return (JsonNode) write.invoke(null, message, version);
    }

    static Class<?> converter(Message message) throws ClassNotFoundException {
        return Class.forName(message.getClass().getName() + "JsonConverter");
    }

    static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    static byte[] concatenate(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
