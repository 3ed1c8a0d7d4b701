import RegistryService
import Testing

@Suite struct StateTests {}
