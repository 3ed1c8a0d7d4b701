import Coordinators
import KafkaMessages
import Security

/// The topics of the cluster, of which a regular expression sees only those that its member may describe (KIP-848).
///
/// Everything else of a group works on all topics: other members may read what this one may not.
struct DescribableTopics: TopicImage {
    let all: any TopicImage
    let access: Access

    func facts(named name: String) -> TopicFacts? { all.facts(named: name) }
    func facts(id: KafkaUUID) -> TopicFacts? { all.facts(id: id) }
    var names: [String] { all.names.filter { access.permits(.describe, .topic, $0, isTold: false) } }
    var version: UInt64? { all.version }
}
