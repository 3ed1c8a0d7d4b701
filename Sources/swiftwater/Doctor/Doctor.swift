import ArgumentParser
import JSONFormat

/// Looks at the machine as `start` would find it. Changes nothing: what it writes to measure the disk is gone at the end,
/// also when it is killed.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check whether this machine is fit to run 'start', and say what is not.",
        discussion: """
            Looks at ports, the data folder and its disk, limits, memory, the clock and the libraries in use. Takes the \
            flags of start and judges what it would run with. Ends with 0 when nothing keeps start from running, else \
            with 1. What a server has that runs already, a folder or ports, is told and is no problem.

            EXAMPLES
              swiftwater doctor
              swiftwater doctor --config /etc/swiftwater/swiftwater.properties
              swiftwater doctor --quick -o json
            """)

    @OptionGroup var options: ServerOptions
    @Flag(help: "Leave out the measurement of the disk, which writes for up to two seconds.") var quick = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        let settings = try options.resolve()
        var findings: [Finding] = []
        var holder: Int32?
        if settings.runsBroker {
            let folder = DataFolderCheck(settings.dataDirectory)
            holder = folder.holder
            findings += folder.findings
            if let existing = folder.existing {
                findings += DiskCheck.space(existing)
                if !quick, folder.isWritable { findings.append(DiskSpeed.finding(existing)) }
            }
        }
        findings = PortCheck.findings(settings.doors, holder: holder) + findings
        findings += MachineCheck.findings + [ClockCheck.finding(settings.runsBroker ? settings.dataDirectory : nil)]
        findings.append(LibraryCheck.finding)
        let diagnosis = Diagnosis(findings: findings)
        switch output.format {
        case .table: try Output.standard.line(diagnosis.text)
        case .json: try Output.standard.write(diagnosis.json.pretty + [UInt8(ascii: "\n")])
        }
        if diagnosis.verdict == .problem {
            try Output.standard.flush()
            throw ExitCode(1)
        }
    }
}
