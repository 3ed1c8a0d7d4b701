/// One way in which two JSON Schemas differ, by the original's names.
enum JSONDifferenceKind: String, Sendable, Hashable, CaseIterable {
    case idChanged = "ID_CHANGED"
    case descriptionChanged = "DESCRIPTION_CHANGED"
    case titleChanged = "TITLE_CHANGED"
    case defaultChanged = "DEFAULT_CHANGED"
    case schemaAdded = "SCHEMA_ADDED"
    case schemaRemoved = "SCHEMA_REMOVED"
    case typeExtended = "TYPE_EXTENDED"
    case typeNarrowed = "TYPE_NARROWED"
    case typeChanged = "TYPE_CHANGED"

    case maxLengthAdded = "MAX_LENGTH_ADDED"
    case maxLengthRemoved = "MAX_LENGTH_REMOVED"
    case maxLengthIncreased = "MAX_LENGTH_INCREASED"
    case maxLengthDecreased = "MAX_LENGTH_DECREASED"
    case minLengthAdded = "MIN_LENGTH_ADDED"
    case minLengthRemoved = "MIN_LENGTH_REMOVED"
    case minLengthIncreased = "MIN_LENGTH_INCREASED"
    case minLengthDecreased = "MIN_LENGTH_DECREASED"
    case patternAdded = "PATTERN_ADDED"
    case patternRemoved = "PATTERN_REMOVED"
    case patternChanged = "PATTERN_CHANGED"

    case maximumAdded = "MAXIMUM_ADDED"
    case maximumRemoved = "MAXIMUM_REMOVED"
    case maximumIncreased = "MAXIMUM_INCREASED"
    case maximumDecreased = "MAXIMUM_DECREASED"
    case minimumAdded = "MINIMUM_ADDED"
    case minimumRemoved = "MINIMUM_REMOVED"
    case minimumIncreased = "MINIMUM_INCREASED"
    case minimumDecreased = "MINIMUM_DECREASED"
    case exclusiveMaximumAdded = "EXCLUSIVE_MAXIMUM_ADDED"
    case exclusiveMaximumRemoved = "EXCLUSIVE_MAXIMUM_REMOVED"
    case exclusiveMaximumIncreased = "EXCLUSIVE_MAXIMUM_INCREASED"
    case exclusiveMaximumDecreased = "EXCLUSIVE_MAXIMUM_DECREASED"
    case exclusiveMinimumAdded = "EXCLUSIVE_MINIMUM_ADDED"
    case exclusiveMinimumRemoved = "EXCLUSIVE_MINIMUM_REMOVED"
    case exclusiveMinimumIncreased = "EXCLUSIVE_MINIMUM_INCREASED"
    case exclusiveMinimumDecreased = "EXCLUSIVE_MINIMUM_DECREASED"
    case multipleOfAdded = "MULTIPLE_OF_ADDED"
    case multipleOfRemoved = "MULTIPLE_OF_REMOVED"
    case multipleOfExpanded = "MULTIPLE_OF_EXPANDED"
    case multipleOfReduced = "MULTIPLE_OF_REDUCED"
    case multipleOfChanged = "MULTIPLE_OF_CHANGED"

    case requiredAttributeAdded = "REQUIRED_ATTRIBUTE_ADDED"
    case requiredAttributeWithDefaultAdded = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED"
    case requiredAttributeRemoved = "REQUIRED_ATTRIBUTE_REMOVED"
    case maxPropertiesAdded = "MAX_PROPERTIES_ADDED"
    case maxPropertiesRemoved = "MAX_PROPERTIES_REMOVED"
    case maxPropertiesIncreased = "MAX_PROPERTIES_INCREASED"
    case maxPropertiesDecreased = "MAX_PROPERTIES_DECREASED"
    case minPropertiesAdded = "MIN_PROPERTIES_ADDED"
    case minPropertiesRemoved = "MIN_PROPERTIES_REMOVED"
    case minPropertiesIncreased = "MIN_PROPERTIES_INCREASED"
    case minPropertiesDecreased = "MIN_PROPERTIES_DECREASED"
    case additionalPropertiesAdded = "ADDITIONAL_PROPERTIES_ADDED"
    case additionalPropertiesRemoved = "ADDITIONAL_PROPERTIES_REMOVED"
    case additionalPropertiesExtended = "ADDITIONAL_PROPERTIES_EXTENDED"
    case additionalPropertiesNarrowed = "ADDITIONAL_PROPERTIES_NARROWED"
    case unevaluatedPropertiesAdded = "UNEVALUATED_PROPERTIES_ADDED"
    case unevaluatedPropertiesRemoved = "UNEVALUATED_PROPERTIES_REMOVED"
    case unevaluatedPropertiesExtended = "UNEVALUATED_PROPERTIES_EXTENDED"
    case unevaluatedPropertiesNarrowed = "UNEVALUATED_PROPERTIES_NARROWED"
    case dependencyArrayAdded = "DEPENDENCY_ARRAY_ADDED"
    case dependencyArrayRemoved = "DEPENDENCY_ARRAY_REMOVED"
    case dependencyArrayExtended = "DEPENDENCY_ARRAY_EXTENDED"
    case dependencyArrayNarrowed = "DEPENDENCY_ARRAY_NARROWED"
    case dependencyArrayChanged = "DEPENDENCY_ARRAY_CHANGED"
    case dependencySchemaAdded = "DEPENDENCY_SCHEMA_ADDED"
    case dependencySchemaRemoved = "DEPENDENCY_SCHEMA_REMOVED"

    case requiredPropertyAddedToOpen = "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
    case requiredPropertyWithDefaultAddedToOpen = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"
    case optionalPropertyAddedToOpen = "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
    case emptyPropertyAddedToOpen = "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL"
    case requiredPropertyAddedToUnopen = "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"
    case requiredPropertyWithDefaultAddedToUnopen = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL"
    case optionalPropertyAddedToUnopen = "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"
    case propertyRemovedFromOpen = "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL"
    case falsePropertyRemovedFromClosed = "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    case propertyRemovedFromClosed = "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    case propertyRemovedIsCovered = "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case propertyRemovedNotCovered = "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case propertyAddedIsCovered = "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case propertyAddedNotCovered = "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case reservedPropertyRemoved = "RESERVED_PROPERTY_REMOVED"
    case reservedPropertyConflicts = "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY"

    case maxItemsAdded = "MAX_ITEMS_ADDED"
    case maxItemsRemoved = "MAX_ITEMS_REMOVED"
    case maxItemsIncreased = "MAX_ITEMS_INCREASED"
    case maxItemsDecreased = "MAX_ITEMS_DECREASED"
    case minItemsAdded = "MIN_ITEMS_ADDED"
    case minItemsRemoved = "MIN_ITEMS_REMOVED"
    case minItemsIncreased = "MIN_ITEMS_INCREASED"
    case minItemsDecreased = "MIN_ITEMS_DECREASED"
    case maxContainsAdded = "MAX_CONTAINS_ADDED"
    case maxContainsRemoved = "MAX_CONTAINS_REMOVED"
    case maxContainsIncreased = "MAX_CONTAINS_INCREASED"
    case maxContainsDecreased = "MAX_CONTAINS_DECREASED"
    case minContainsAdded = "MIN_CONTAINS_ADDED"
    case minContainsRemoved = "MIN_CONTAINS_REMOVED"
    case minContainsIncreased = "MIN_CONTAINS_INCREASED"
    case minContainsDecreased = "MIN_CONTAINS_DECREASED"
    case uniqueItemsAdded = "UNIQUE_ITEMS_ADDED"
    case uniqueItemsRemoved = "UNIQUE_ITEMS_REMOVED"
    case additionalItemsAdded = "ADDITIONAL_ITEMS_ADDED"
    case additionalItemsRemoved = "ADDITIONAL_ITEMS_REMOVED"
    case additionalItemsExtended = "ADDITIONAL_ITEMS_EXTENDED"
    case additionalItemsNarrowed = "ADDITIONAL_ITEMS_NARROWED"
    case unevaluatedItemsAdded = "UNEVALUATED_ITEMS_ADDED"
    case unevaluatedItemsRemoved = "UNEVALUATED_ITEMS_REMOVED"
    case unevaluatedItemsExtended = "UNEVALUATED_ITEMS_EXTENDED"
    case unevaluatedItemsNarrowed = "UNEVALUATED_ITEMS_NARROWED"
    case itemAddedToOpen = "ITEM_ADDED_TO_OPEN_CONTENT_MODEL"
    case emptyItemAddedToOpen = "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL"
    case itemAddedToClosed = "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL"
    case itemRemovedFromOpen = "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL"
    case falseItemRemovedFromClosed = "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    case itemRemovedFromClosed = "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    case itemRemovedIsCovered = "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case itemRemovedNotCovered = "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case itemAddedIsCovered = "ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    case itemAddedNotCovered = "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"

    case enumExtended = "ENUM_ARRAY_EXTENDED"
    case enumNarrowed = "ENUM_ARRAY_NARROWED"
    case enumChanged = "ENUM_ARRAY_CHANGED"

    case combinedTypeExtended = "COMBINED_TYPE_EXTENDED"
    case combinedTypeChanged = "COMBINED_TYPE_CHANGED"
    case productTypeExtended = "PRODUCT_TYPE_EXTENDED"
    case productTypeNarrowed = "PRODUCT_TYPE_NARROWED"
    case sumTypeExtended = "SUM_TYPE_EXTENDED"
    case sumTypeNarrowed = "SUM_TYPE_NARROWED"
    case subschemasChanged = "COMBINED_TYPE_SUBSCHEMAS_CHANGED"
    case notTypeExtended = "NOT_TYPE_EXTENDED"
    case notTypeNarrowed = "NOT_TYPE_NARROWED"

    /// Not the original's: the schemas are compared no further, and count as incompatible.
    case tooComplex = "SCHEMA_TOO_COMPLEX"
}

/// A difference and where it is, relative to the pair of schemas that were compared.
struct JSONDifference: Sendable, Hashable {
    var kind: JSONDifferenceKind
    /// Steps joined by slashes; empty for the pair itself.
    var path: String

    /// The same seen from further up.
    func under(_ prefix: String) -> JSONDifference {
        prefix.isEmpty ? self : JSONDifference(kind: kind, path: path.isEmpty ? prefix : prefix + "/" + path)
    }
}

extension JSONDifferenceKind {
    /// Whether the new schema still accepts what the old one accepted.
    ///
    /// LENIENT lets properties come to open content models and leave closed ones, as long as they are not required:
    /// what people expect of optional fields, although an old document might have had another value there.
    func isCompatible(_ policy: CompatibilityPolicy) -> Bool {
        switch self {
        case .idChanged, .descriptionChanged, .titleChanged, .defaultChanged, .schemaRemoved, .typeExtended,
            .maxLengthRemoved, .maxLengthIncreased, .minLengthRemoved, .minLengthDecreased, .patternRemoved,
            .maximumRemoved, .maximumIncreased, .minimumRemoved, .minimumDecreased, .exclusiveMaximumRemoved,
            .exclusiveMaximumIncreased, .exclusiveMinimumRemoved, .exclusiveMinimumDecreased, .multipleOfRemoved,
            .multipleOfReduced, .requiredAttributeWithDefaultAdded, .requiredAttributeRemoved, .dependencyArrayNarrowed,
            .dependencyArrayRemoved, .dependencySchemaRemoved, .maxPropertiesRemoved, .maxPropertiesIncreased,
            .minPropertiesRemoved, .minPropertiesDecreased, .additionalPropertiesAdded, .additionalPropertiesExtended,
            .unevaluatedPropertiesAdded, .unevaluatedPropertiesExtended, .emptyPropertyAddedToOpen,
            .requiredPropertyWithDefaultAddedToUnopen, .optionalPropertyAddedToUnopen, .falsePropertyRemovedFromClosed,
            .propertyRemovedFromOpen, .propertyAddedIsCovered, .propertyRemovedIsCovered, .maxItemsRemoved,
            .maxItemsIncreased, .minItemsRemoved, .minItemsDecreased, .maxContainsRemoved, .maxContainsIncreased,
            .minContainsRemoved, .minContainsDecreased, .uniqueItemsRemoved, .additionalItemsAdded,
            .additionalItemsExtended, .unevaluatedItemsAdded, .unevaluatedItemsExtended, .emptyItemAddedToOpen,
            .itemAddedToClosed, .falseItemRemovedFromClosed, .itemRemovedFromOpen, .itemAddedIsCovered,
            .itemRemovedIsCovered, .enumExtended, .combinedTypeExtended, .productTypeNarrowed, .sumTypeExtended,
            .notTypeNarrowed:
            true
        case .additionalPropertiesNarrowed, .additionalPropertiesRemoved, .unevaluatedPropertiesNarrowed,
            .unevaluatedPropertiesRemoved, .optionalPropertyAddedToOpen, .requiredPropertyWithDefaultAddedToOpen,
            .propertyRemovedFromClosed, .propertyAddedNotCovered, .propertyRemovedNotCovered:
            policy == .lenient
        default: false
        }
    }

    /// The original's sentence about an incompatible difference.
    func sentence(_ path: String) -> String {
        switch self {
        case .maximumAdded, .minimumAdded, .exclusiveMaximumAdded, .exclusiveMinimumAdded, .multipleOfAdded,
            .maxLengthAdded, .minLengthAdded, .patternAdded, .requiredAttributeAdded, .maxPropertiesAdded,
            .minPropertiesAdded, .dependencyArrayAdded, .dependencySchemaAdded, .maxItemsAdded, .minItemsAdded,
            .maxContainsAdded, .minContainsAdded, .uniqueItemsAdded, .additionalItemsRemoved,
            .additionalPropertiesRemoved, .unevaluatedPropertiesRemoved, .unevaluatedItemsRemoved:
            "The keyword at path '\(path)' in the new schema is not present in the old schema"
        case .minLengthIncreased, .minimumIncreased, .exclusiveMinimumIncreased, .minPropertiesIncreased,
            .multipleOfExpanded, .minItemsIncreased, .minContainsIncreased:
            "The value at path '\(path)' in the new schema is more than its value in the old schema"
        case .maxLengthDecreased, .maximumDecreased, .maxItemsDecreased, .maxContainsDecreased,
            .exclusiveMaximumDecreased, .maxPropertiesDecreased:
            "The value at path '\(path)' in the new schema is less than its value in the old schema"
        case .patternChanged, .multipleOfChanged, .dependencyArrayChanged:
            "The value at path '\(path)' is different between the new and old schema"
        case .additionalItemsNarrowed, .enumNarrowed, .sumTypeNarrowed, .additionalPropertiesNarrowed,
            .unevaluatedPropertiesNarrowed, .unevaluatedItemsNarrowed:
            "An array or combined type at path '\(path)' has fewer elements in the new schema than the old schema"
        case .dependencyArrayExtended, .productTypeExtended, .sumTypeExtended, .notTypeExtended:
            "An array or combined type at path '\(path)' has more elements in the new schema than the old schema"
        case .typeChanged, .typeNarrowed, .combinedTypeChanged, .subschemasChanged, .enumChanged:
            "A type at path '\(path)' is different between the new schema and the old schema"
        case .requiredPropertyAddedToOpen, .requiredPropertyWithDefaultAddedToOpen, .optionalPropertyAddedToOpen,
            .itemAddedToOpen:
            "The new schema has an open content model and has a property or item at path '\(path)' which is missing in "
                + "the old schema"
        case .requiredPropertyAddedToUnopen:
            "The new schema has an unopen content model and has a required property at path '\(path)' which is missing "
                + "in the old schema"
        case .propertyRemovedFromClosed, .itemRemovedFromClosed:
            "The new schema has a closed content model and is missing a property or item present at path '\(path)' in "
                + "the old schema"
        case .propertyRemovedNotCovered, .itemRemovedNotCovered:
            "A property or item is missing in the new schema but present at path '\(path)' in the old schema and is "
                + "not covered by its partially open content model"
        case .propertyAddedNotCovered, .itemAddedNotCovered:
            "The new schema has a property or item at path '\(path)' which is missing in the old schema and is not "
                + "covered by its partially open content model"
        case .reservedPropertyRemoved:
            "The new schema has reserved property '\(path)' removed from its metadata which is present in the old "
                + "schema."
        case .reservedPropertyConflicts:
            "The new schema has property at path '\(path)' that conflicts with the reserved properties which is "
                + "missing in the old schema."
        case .tooComplex:
            "The new schema and the old schema have more parts at path '\(path)' than can be compared"
        case .schemaAdded:
            "The new schema has a schema at path '\(path)' which is missing in the old schema"
        default: "The new schema differs from the old schema at path '\(path)'"
        }
    }
}
