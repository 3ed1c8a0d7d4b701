import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateDelegationTokenOptions;
import org.apache.kafka.clients.admin.DescribeDelegationTokenOptions;
import org.apache.kafka.clients.admin.ExpireDelegationTokenOptions;
import org.apache.kafka.clients.admin.RenewDelegationTokenOptions;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.token.delegation.DelegationToken;
import org.apache.kafka.common.utils.SecurityUtils;

/** Delegation tokens as the Java Admin asks for them. */
final class TokenCalls {
    static void register(Map<String, Driver.Operation> operations) {
        AdminCalls.add(operations, "createToken", TokenCalls::create);
        AdminCalls.add(operations, "describeTokens", TokenCalls::describe);
        AdminCalls.add(operations, "renewToken", (admin, request) -> {
            RenewDelegationTokenOptions options = new RenewDelegationTokenOptions();
            if (request.has("periodMs")) options.renewTimePeriodMs(request.get("periodMs").asLong());
            return admin.renewDelegationToken(hmac(request), options).expiryTimestamp().get();
        });
        AdminCalls.add(operations, "expireToken", (admin, request) -> {
            ExpireDelegationTokenOptions options = new ExpireDelegationTokenOptions();
            if (request.has("periodMs")) options.expiryTimePeriodMs(request.get("periodMs").asLong());
            return admin.expireDelegationToken(hmac(request), options).expiryTimestamp().get();
        });
    }

    private static byte[] hmac(JsonNode request) {
        return Base64.getDecoder().decode(request.get("hmac").asText());
    }

    private static List<KafkaPrincipal> principals(JsonNode names) {
        List<KafkaPrincipal> found = new ArrayList<>();
        names.forEach(name -> found.add(SecurityUtils.parseKafkaPrincipal(name.asText())));
        return found;
    }

    static Object create(Admin admin, JsonNode request) throws Exception {
        CreateDelegationTokenOptions options =
            new CreateDelegationTokenOptions().renewers(principals(request.path("renewers")));
        if (request.has("owner")) options.owner(SecurityUtils.parseKafkaPrincipal(request.get("owner").asText()));
        if (request.has("lifetimeMs")) options.maxLifetimeMs(request.get("lifetimeMs").asLong());
        return shown(admin.createDelegationToken(options).delegationToken().get());
    }

    static Object describe(Admin admin, JsonNode request) throws Exception {
        DescribeDelegationTokenOptions options = new DescribeDelegationTokenOptions();
        if (request.has("owners")) options.owners(principals(request.get("owners")));
        List<Object> found = new ArrayList<>();
        for (DelegationToken token : admin.describeDelegationToken(options).delegationTokens().get())
            found.add(shown(token));
        return found;
    }

    private static Map<String, Object> shown(DelegationToken token) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", token.tokenInfo().tokenId());
        shown.put("hmac", token.hmacAsBase64String());
        shown.put("owner", token.tokenInfo().owner().toString());
        shown.put("requester", token.tokenInfo().tokenRequester().toString());
        List<String> renewers = new ArrayList<>(token.tokenInfo().renewersAsString());
        shown.put("renewers", renewers);
        shown.put("issued", token.tokenInfo().issueTimestamp());
        shown.put("expires", token.tokenInfo().expiryTimestamp());
        shown.put("ends", token.tokenInfo().maxTimestamp());
        return shown;
    }
}
