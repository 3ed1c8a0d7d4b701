package import ConnectCore

/// The providers that a worker's configuration names: `config.providers`, `config.providers.NAME.class`,
/// `config.providers.NAME.param.*`.
package enum ConfigProviders {
    package static func make(_ properties: [String: String]) throws(ConnectError) -> [String: any ConfigProvider] {
        var providers: [String: any ConfigProvider] = [:]
        let names = (properties["config.providers"] ?? "").split(separator: ",").map { $0.filter { $0 != " " } }
        for name in names where !name.isEmpty {
            let prefix = "config.providers.\(name)."
            guard let className = properties[prefix + "class"] else {
                throw .config("Missing required configuration \"\(prefix)class\" which has no default value.")
            }
            var parameters: [String: String] = [:]
            for (key, value) in properties where key.hasPrefix(prefix + "param.") {
                parameters[String(key.dropFirst(prefix.count + "param.".count))] = value
            }
            switch className.split(separator: ".").last.map(String.init) {
            case "FileConfigProvider": providers[name] = FileConfigProvider(parameters)
            case "DirectoryConfigProvider": providers[name] = DirectoryConfigProvider(parameters)
            case "EnvVarConfigProvider": providers[name] = try EnvironmentConfigProvider(parameters)
            default:
                throw .config(
                    prefix + "class", className,
                    "Class \(className) could not be found: providers are FileConfigProvider, DirectoryConfigProvider, "
                        + "EnvVarConfigProvider")
            }
        }
        return providers
    }
}
