import JSONFormat
import RegistryService
import Testing

@Suite struct ElectionTests {
    private func json(_ text: String) -> JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }

    /// As a Java node of 7.0 and one of 8.0 describe themselves.
    @Test(
        arguments: [
            #"{"host":"h","port":8081,"master_eligibility":true,"scheme":"http","version":1}"#,
            #"{"version":1,"host":"h","port":8081,"master_eligibility":true,"scheme":"http","leader":false}"#,
        ])
    func `reads what Java's members write`(text: String) {
        #expect(NodeIdentity(json(text)) == NodeIdentity(host: "h", port: 8081))
    }

    @Test func `writes what Java's members read`() {
        let identity = NodeIdentity(host: "h", port: 8081, isLeader: true)
        #expect(NodeIdentity(identity.json) == identity)
        let decision = LeaderDecision(memberId: "m-1", leader: identity)
        #expect(LeaderDecision(decision.json) == decision)
        #expect(
            String(decoding: decision.json.bytes, as: UTF8.self)
                == #"{"error":0,"master":"m-1","master_identity":{"host":"h","port":8081,"#
                + #""master_eligibility":true,"scheme":"http","version":1,"leader":true},"version":1}"#)
        #expect(NodeIdentity(json(#"{"host":"h"}"#)) == nil)
        #expect(NodeIdentity(json(#"{"host":"h","port":70000}"#)) == nil)
        #expect(LeaderDecision(json("[]")) == nil)
    }

    /// Members by port; who leads already is marked, who must not is in brackets.
    @Test(
        arguments: [
            ([(1, false, true), (2, false, true)], 1), ([(2, false, true), (1, false, true)], 1),
            ([(1, false, true), (2, true, true)], 2), ([(1, true, true), (2, true, true)], 1),
            ([(1, false, false), (2, false, true)], 2), ([(1, true, false), (2, false, true)], 2),
            ([(1, false, false)], nil), ([], nil),
        ] as [([(Int, Bool, Bool)], Int?)])
    func `who leads goes on, else the smallest address`(members: [(Int, Bool, Bool)], leader: Int?) {
        let decision = LeaderDecision.decide(
            members.map { port, leads, isEligible in
                (
                    "member-\(port)",
                    NodeIdentity(host: "h", port: port, isEligible: isEligible, isLeader: leads)
                )
            })
        #expect(decision.leader?.port == leader)
        #expect(decision.memberId == leader.map { "member-\($0)" })
        #expect(decision.error == 0)
    }

    @Test func `two nodes with one address are told`() {
        let identity = NodeIdentity(host: "h", port: 1)
        #expect(LeaderDecision.decide([("a", identity), ("b", identity)]).error == LeaderDecision.duplicateAddresses)
    }
}
