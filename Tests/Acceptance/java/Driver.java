import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/**
 * Runs Apache Kafka's clients for the tests: one JSON request per line on standard input, one JSON answer per line on
 * standard output with the request's number and `"result"`, or `"error"` (the exception's name) and `"message"`.
 */
public final class Driver {
    static final ObjectMapper JSON = new ObjectMapper();

    interface Operation {
        Object run(JsonNode request) throws Exception;
    }

    static final Map<String, Operation> OPERATIONS = new HashMap<>();

    static {
        DataPath.register(OPERATIONS);
        AdminCalls.register(OPERATIONS);
        Exchange.register(OPERATIONS);
        Load.register(OPERATIONS);
        GroupCalls.register(OPERATIONS);
        ShareConsumers.register(OPERATIONS);
        ShareGroupCalls.register(OPERATIONS);
        StreamsMembers.register(OPERATIONS);
        TransactionCalls.register(OPERATIONS);
        QuotaCalls.register(OPERATIONS);
        TokenCalls.register(OPERATIONS);
    }

    public static void main(String[] arguments) throws Exception {
        // A client library that prints must not break the dialogue.
        PrintStream out = System.out;
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
            out.flush();
        }
        System.exit(0);
    }

    static Map<String, Object> answer(JsonNode request) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("number", request.get("number").asLong());
        try {
            Operation operation = OPERATIONS.get(request.get("op").asText());
            if (operation == null) throw new IllegalArgumentException("no operation " + request.get("op"));
            answer.put("result", operation.run(request));
        } catch (Throwable thrown) {
            Throwable cause = unwrap(thrown);
            cause.printStackTrace();
            answer.put("error", cause.getClass().getSimpleName());
            answer.put("message", cause.getMessage());
        }
        return answer;
    }

    static Throwable unwrap(Throwable thrown) {
        Throwable cause = thrown;
        while ((cause instanceof ExecutionException || cause instanceof CompletionException
            || cause instanceof InvocationTargetException) && cause.getCause() != null)
            cause = cause.getCause();
        return cause;
    }

    /** The client's properties: the address, short timeouts, then what the request gives under "properties". */
    static Properties properties(JsonNode request) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", request.get("bootstrap").asText());
        properties.put("request.timeout.ms", "10000");
        properties.put("enable.metrics.push", "false");
        JsonNode given = request.path("properties");
        given.fieldNames().forEachRemaining(name -> properties.put(name, given.get(name).asText()));
        return properties;
    }

    static byte[] bytes(JsonNode node) {
        return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
