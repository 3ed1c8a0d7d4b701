internal import ConnectCore

/// What signals ask of a stream: by rows of their table, or between groups.
extension LogStream {
    func proceed(_ incremental: IncrementalSnapshot<MySQLServer>) throws {
        let position = position
        try incremental.proceed { entries in
            var behind = position
            behind.incremental = entries
            return behind.offset
        }
        self.position.incremental = incremental.entries
        try context.flush(offset: self.position.offset, endsTransaction: true)
    }

    /// Signals that did not come by the table, between groups.
    func takeSignals(_ inbox: SignalInbox) throws {
        guard !groupIsOpen, !isSkipping, passedUntil == nil, let incremental else { return }
        try incremental.takeSignals(inbox) { signal in
            try self.signal(signal.id, signal.type, signal.data, isOuter: true)
        } place: {
            var own = ownSource(position)
            own.setThread(nil)
            return (own, position.offset)
        } proceed: {
            try proceed(incremental)
        }
    }

    /// A row of the signal table: what to do is in its second and third column.
    func signal(_ events: TableEvents) throws {
        var texts: [String] = []
        for column in events.columns.prefix(3) {
            let value = try column.codec.value(cells[column.index], isStreaming: true)
            texts.append(value.string ?? value.integer.map(String.init) ?? "")
        }
        guard texts.count >= 2 else { return }
        try signal(texts[0], texts[1], texts.count > 2 ? texts[2] : "", isOuter: false)
    }

    private func ownSource(_ position: LogPosition) -> SourceInfo {
        var own = source
        own.setPlace(file: position.file, position: position.position)
        own.setRow(0)
        own.setQuery(nil)
        return own
    }

    private func signal(_ id: String, _ type: String, _ data: String, isOuter: Bool) throws {
        let position = position
        let restart = restart
        try incremental?.signal(
            id: id, type: type, data: data, place: position.file + ":\(position.position)",
            source: ownSource(position), isOuter: isOuter
        ) { entries in
            var behind = restart
            behind.incremental = entries
            return behind.offset
        }
        guard let incremental else { return }
        self.position.incremental = incremental.entries
        if !isOuter, held != nil || incremental.hasBlocking {
            var start = self.position
            start.eventCount = 0
            start.rowCount = 0
            held = start
        }
    }
}
