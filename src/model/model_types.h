/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The 176 connection types and their 11 categories: the one table that names, mutability, parsing
 * and docs/types.md come from.
 *
 * Invariants: 1. a type's value is its category's number x 16 plus its position in the category.
 *             2. values are stored on disk: a name may change, a value never does.
 *             3. names differ even when case, '_', '-' and ' ' are ignored. */
#ifndef NGI_MODEL_TYPES_H
#define NGI_MODEL_TYPES_H

/** Categories: upper four bits of the type, name, mutability of its connections unless given. */
#define NGI_CATEGORY_TABLE(X)                                                                      \
    X(0x0, "Semantic", NG_IMMUTABLE)                                                               \
    X(0x1, "Causal", NG_LEARNABLE)                                                                 \
    X(0x2, "Temporal", NG_LEARNABLE)                                                               \
    X(0x3, "Spatial", NG_IMMUTABLE)                                                                \
    X(0x4, "Logical", NG_IMMUTABLE)                                                                \
    X(0x5, "Associative", NG_LEARNABLE)                                                            \
    X(0x6, "Structural", NG_IMMUTABLE)                                                             \
    X(0x7, "Functional", NG_LEARNABLE)                                                             \
    X(0x8, "Emotional", NG_LEARNABLE)                                                              \
    X(0x9, "Rule/Metaphor", NG_IMMUTABLE)                                                          \
    X(0xA, "Dynamic", NG_LEARNABLE)

/** Types: enumerator, value, name. */
#define NGI_TYPE_TABLE(X)                                                                          \
    X(NGI_TYPE_SYNONYM, 0x00, "Synonym")                                                           \
    X(NGI_TYPE_ANTONYM, 0x01, "Antonym")                                                           \
    X(NGI_TYPE_HYPERNYM, 0x02, "Hypernym")                                                         \
    X(NGI_TYPE_HYPONYM, 0x03, "Hyponym")                                                           \
    X(NGI_TYPE_MERONYM, 0x04, "Meronym")                                                           \
    X(NGI_TYPE_HOLONYM, 0x05, "Holonym")                                                           \
    X(NGI_TYPE_TROPONYM, 0x06, "Troponym")                                                         \
    X(NGI_TYPE_ENTAILMENT, 0x07, "Entailment")                                                     \
    X(NGI_TYPE_SIMILAR, 0x08, "Similar")                                                           \
    X(NGI_TYPE_ALSO, 0x09, "Also")                                                                 \
    X(NGI_TYPE_ATTRIBUTE, 0x0A, "Attribute")                                                       \
    X(NGI_TYPE_DERIVATION, 0x0B, "Derivation")                                                     \
    X(NGI_TYPE_DOMAIN, 0x0C, "Domain")                                                             \
    X(NGI_TYPE_TOPIC, 0x0D, "Topic")                                                               \
    X(NGI_TYPE_USAGE, 0x0E, "Usage")                                                               \
    X(NGI_TYPE_REGION, 0x0F, "Region")                                                             \
    X(NGI_TYPE_CAUSE, 0x10, "Cause")                                                               \
    X(NGI_TYPE_EFFECT, 0x11, "Effect")                                                             \
    X(NGI_TYPE_PRECONDITION, 0x12, "Precondition")                                                 \
    X(NGI_TYPE_POSTCONDITION, 0x13, "Postcondition")                                               \
    X(NGI_TYPE_ENABLED_BY, 0x14, "EnabledBy")                                                      \
    X(NGI_TYPE_DISABLED_BY, 0x15, "DisabledBy")                                                    \
    X(NGI_TYPE_PREVENTED_BY, 0x16, "PreventedBy")                                                  \
    X(NGI_TYPE_TRIGGERED, 0x17, "Triggered")                                                       \
    X(NGI_TYPE_INFLUENCES, 0x18, "Influences")                                                     \
    X(NGI_TYPE_CORRELATES, 0x19, "Correlates")                                                     \
    X(NGI_TYPE_DEPENDS, 0x1A, "Depends")                                                           \
    X(NGI_TYPE_PRODUCES, 0x1B, "Produces")                                                         \
    X(NGI_TYPE_CONSUMES, 0x1C, "Consumes")                                                         \
    X(NGI_TYPE_MODIFIES, 0x1D, "Modifies")                                                         \
    X(NGI_TYPE_MAINTAINS, 0x1E, "Maintains")                                                       \
    X(NGI_TYPE_DESTROYS, 0x1F, "Destroys")                                                         \
    X(NGI_TYPE_BEFORE, 0x20, "Before")                                                             \
    X(NGI_TYPE_AFTER, 0x21, "After")                                                               \
    X(NGI_TYPE_DURING, 0x22, "During")                                                             \
    X(NGI_TYPE_OVERLAPS, 0x23, "Overlaps")                                                         \
    X(NGI_TYPE_STARTS, 0x24, "Starts")                                                             \
    X(NGI_TYPE_FINISHES, 0x25, "Finishes")                                                         \
    X(NGI_TYPE_MEETS, 0x26, "Meets")                                                               \
    X(NGI_TYPE_EQUALS, 0x27, "Equals")                                                             \
    X(NGI_TYPE_SIMULTANEOUS, 0x28, "Simultaneous")                                                 \
    X(NGI_TYPE_SEQUENTIAL, 0x29, "Sequential")                                                     \
    X(NGI_TYPE_PARALLEL, 0x2A, "Parallel")                                                         \
    X(NGI_TYPE_PERIODIC, 0x2B, "Periodic")                                                         \
    X(NGI_TYPE_CONTINUOUS, 0x2C, "Continuous")                                                     \
    X(NGI_TYPE_DISCRETE, 0x2D, "Discrete")                                                         \
    X(NGI_TYPE_INSTANT, 0x2E, "Instant")                                                           \
    X(NGI_TYPE_EXTENDED, 0x2F, "Extended")                                                         \
    X(NGI_TYPE_NEAR, 0x30, "Near")                                                                 \
    X(NGI_TYPE_FAR, 0x31, "Far")                                                                   \
    X(NGI_TYPE_ABOVE, 0x32, "Above")                                                               \
    X(NGI_TYPE_BELOW, 0x33, "Below")                                                               \
    X(NGI_TYPE_LEFT, 0x34, "Left")                                                                 \
    X(NGI_TYPE_RIGHT, 0x35, "Right")                                                               \
    X(NGI_TYPE_INSIDE, 0x36, "Inside")                                                             \
    X(NGI_TYPE_OUTSIDE, 0x37, "Outside")                                                           \
    X(NGI_TYPE_ADJACENT, 0x38, "Adjacent")                                                         \
    X(NGI_TYPE_OVERLAPPING, 0x39, "Overlapping")                                                   \
    X(NGI_TYPE_TOUCHING, 0x3A, "Touching")                                                         \
    X(NGI_TYPE_CONTAINING, 0x3B, "Containing")                                                     \
    X(NGI_TYPE_CROSSING, 0x3C, "Crossing")                                                         \
    X(NGI_TYPE_BEHIND, 0x3D, "Behind")                                                             \
    X(NGI_TYPE_FRONT, 0x3E, "Front")                                                               \
    X(NGI_TYPE_BETWEEN, 0x3F, "Between")                                                           \
    X(NGI_TYPE_AND, 0x40, "And")                                                                   \
    X(NGI_TYPE_OR, 0x41, "Or")                                                                     \
    X(NGI_TYPE_NOT, 0x42, "Not")                                                                   \
    X(NGI_TYPE_XOR, 0x43, "Xor")                                                                   \
    X(NGI_TYPE_IMPLIES, 0x44, "Implies")                                                           \
    X(NGI_TYPE_EQUIVALENT, 0x45, "Equivalent")                                                     \
    X(NGI_TYPE_CONTRADICTS, 0x46, "Contradicts")                                                   \
    X(NGI_TYPE_CONSISTENT, 0x47, "Consistent")                                                     \
    X(NGI_TYPE_PROVES, 0x48, "Proves")                                                             \
    X(NGI_TYPE_DISPROVES, 0x49, "Disproves")                                                       \
    X(NGI_TYPE_ASSUMES, 0x4A, "Assumes")                                                           \
    X(NGI_TYPE_CONCLUDES, 0x4B, "Concludes")                                                       \
    X(NGI_TYPE_NECESSARY, 0x4C, "Necessary")                                                       \
    X(NGI_TYPE_SUFFICIENT, 0x4D, "Sufficient")                                                     \
    X(NGI_TYPE_POSSIBLE, 0x4E, "Possible")                                                         \
    X(NGI_TYPE_IMPOSSIBLE, 0x4F, "Impossible")                                                     \
    X(NGI_TYPE_ASSOCIATED_WITH, 0x50, "AssociatedWith")                                            \
    X(NGI_TYPE_RELATED_TO, 0x51, "RelatedTo")                                                      \
    X(NGI_TYPE_SIMILAR_TO, 0x52, "SimilarTo")                                                      \
    X(NGI_TYPE_CONTRASTED_WITH, 0x53, "ContrastedWith")                                            \
    X(NGI_TYPE_COMPARED_TO, 0x54, "ComparedTo")                                                    \
    X(NGI_TYPE_DISTINGUISHED_FROM, 0x55, "DistinguishedFrom")                                      \
    X(NGI_TYPE_ALTERNATIVE_TO, 0x56, "AlternativeTo")                                              \
    X(NGI_TYPE_SUBSTITUTE_FOR, 0x57, "SubstituteFor")                                              \
    X(NGI_TYPE_COMPLEMENT_OF, 0x58, "ComplementOf")                                                \
    X(NGI_TYPE_VARIANT_OF, 0x59, "VariantOf")                                                      \
    X(NGI_TYPE_VERSION_OF, 0x5A, "VersionOf")                                                      \
    X(NGI_TYPE_EXAMPLE_OF, 0x5B, "ExampleOf")                                                      \
    X(NGI_TYPE_INSTANCE_OF, 0x5C, "InstanceOf")                                                    \
    X(NGI_TYPE_KIND_OF, 0x5D, "KindOf")                                                            \
    X(NGI_TYPE_FORM_OF, 0x5E, "FormOf")                                                            \
    X(NGI_TYPE_MANIFESTATION_OF, 0x5F, "ManifestationOf")                                          \
    X(NGI_TYPE_PART_OF, 0x60, "PartOf")                                                            \
    X(NGI_TYPE_HAS_PART, 0x61, "HasPart")                                                          \
    X(NGI_TYPE_MEMBER_OF, 0x62, "MemberOf")                                                        \
    X(NGI_TYPE_HAS_MEMBER, 0x63, "HasMember")                                                      \
    X(NGI_TYPE_SUBCLASS_OF, 0x64, "SubclassOf")                                                    \
    X(NGI_TYPE_SUPERCLASS_OF, 0x65, "SuperclassOf")                                                \
    X(NGI_TYPE_CONTAINS, 0x66, "Contains")                                                         \
    X(NGI_TYPE_CONTAINED_BY, 0x67, "ContainedBy")                                                  \
    X(NGI_TYPE_COMPRISES, 0x68, "Comprises")                                                       \
    X(NGI_TYPE_COMPOSED_OF, 0x69, "ComposedOf")                                                    \
    X(NGI_TYPE_ELEMENT_OF, 0x6A, "ElementOf")                                                      \
    X(NGI_TYPE_HAS_ELEMENT, 0x6B, "HasElement")                                                    \
    X(NGI_TYPE_COLLECTION_OF, 0x6C, "CollectionOf")                                                \
    X(NGI_TYPE_ITEM_IN, 0x6D, "ItemIn")                                                            \
    X(NGI_TYPE_SEGMENT_OF, 0x6E, "SegmentOf")                                                      \
    X(NGI_TYPE_WHOLE, 0x6F, "Whole")                                                               \
    X(NGI_TYPE_USED_FOR, 0x70, "UsedFor")                                                          \
    X(NGI_TYPE_USED_BY, 0x71, "UsedBy")                                                            \
    X(NGI_TYPE_TOOL_FOR, 0x72, "ToolFor")                                                          \
    X(NGI_TYPE_METHOD_FOR, 0x73, "MethodFor")                                                      \
    X(NGI_TYPE_INPUT_TO, 0x74, "InputTo")                                                          \
    X(NGI_TYPE_OUTPUT_FROM, 0x75, "OutputFrom")                                                    \
    X(NGI_TYPE_RESOURCE_FOR, 0x76, "ResourceFor")                                                  \
    X(NGI_TYPE_REQUIRED_BY, 0x77, "RequiredBy")                                                    \
    X(NGI_TYPE_PROVIDED_BY, 0x78, "ProvidedBy")                                                    \
    X(NGI_TYPE_CAPABLE_OF, 0x79, "CapableOf")                                                      \
    X(NGI_TYPE_SUPPORTS_FUNCTION, 0x7A, "SupportsFunction")                                        \
    X(NGI_TYPE_IMPLEMENTS_FUNCTION, 0x7B, "ImplementsFunction")                                    \
    X(NGI_TYPE_INTERFACE_FOR, 0x7C, "InterfaceFor")                                                \
    X(NGI_TYPE_PROTOCOL_FOR, 0x7D, "ProtocolFor")                                                  \
    X(NGI_TYPE_STANDARD_FOR, 0x7E, "StandardFor")                                                  \
    X(NGI_TYPE_OPTIMIZED_FOR, 0x7F, "OptimizedFor")                                                \
    X(NGI_TYPE_LIKES, 0x80, "Likes")                                                               \
    X(NGI_TYPE_DISLIKES, 0x81, "Dislikes")                                                         \
    X(NGI_TYPE_LOVES, 0x82, "Loves")                                                               \
    X(NGI_TYPE_HATES, 0x83, "Hates")                                                               \
    X(NGI_TYPE_FEARS, 0x84, "Fears")                                                               \
    X(NGI_TYPE_TRUSTS, 0x85, "Trusts")                                                             \
    X(NGI_TYPE_DISTRUSTS, 0x86, "Distrusts")                                                       \
    X(NGI_TYPE_RESPECTS, 0x87, "Respects")                                                         \
    X(NGI_TYPE_ADMIRES, 0x88, "Admires")                                                           \
    X(NGI_TYPE_ENVIES, 0x89, "Envies")                                                             \
    X(NGI_TYPE_SYMPATHIZES, 0x8A, "Sympathizes")                                                   \
    X(NGI_TYPE_EMPATHIZES, 0x8B, "Empathizes")                                                     \
    X(NGI_TYPE_RESENTS, 0x8C, "Resents")                                                           \
    X(NGI_TYPE_FORGIVES, 0x8D, "Forgives")                                                         \
    X(NGI_TYPE_BLAMES, 0x8E, "Blames")                                                             \
    X(NGI_TYPE_GRATEFUL, 0x8F, "Grateful")                                                         \
    X(NGI_TYPE_RULE, 0x90, "Rule")                                                                 \
    X(NGI_TYPE_EXCEPTION, 0x91, "Exception")                                                       \
    X(NGI_TYPE_CONSTRAINT, 0x92, "Constraint")                                                     \
    X(NGI_TYPE_PERMISSION, 0x93, "Permission")                                                     \
    X(NGI_TYPE_PROHIBITION, 0x94, "Prohibition")                                                   \
    X(NGI_TYPE_OBLIGATION, 0x95, "Obligation")                                                     \
    X(NGI_TYPE_METAPHOR, 0x96, "Metaphor")                                                         \
    X(NGI_TYPE_ANALOGY, 0x97, "Analogy")                                                           \
    X(NGI_TYPE_SYMBOL, 0x98, "Symbol")                                                             \
    X(NGI_TYPE_REPRESENTS, 0x99, "Represents")                                                     \
    X(NGI_TYPE_SIGNIFIES, 0x9A, "Signifies")                                                       \
    X(NGI_TYPE_INDICATES, 0x9B, "Indicates")                                                       \
    X(NGI_TYPE_SUGGESTS, 0x9C, "Suggests")                                                         \
    X(NGI_TYPE_CONNOTES, 0x9D, "Connotes")                                                         \
    X(NGI_TYPE_DENOTES, 0x9E, "Denotes")                                                           \
    X(NGI_TYPE_REFERENCES, 0x9F, "References")                                                     \
    X(NGI_TYPE_BECOMES, 0xA0, "Becomes")                                                           \
    X(NGI_TYPE_TRANSFORMS, 0xA1, "Transforms")                                                     \
    X(NGI_TYPE_EVOLVES, 0xA2, "Evolves")                                                           \
    X(NGI_TYPE_DEVELOPS, 0xA3, "Develops")                                                         \
    X(NGI_TYPE_GROWS, 0xA4, "Grows")                                                               \
    X(NGI_TYPE_DECAYS, 0xA5, "Decays")                                                             \
    X(NGI_TYPE_IMPROVES, 0xA6, "Improves")                                                         \
    X(NGI_TYPE_DEGRADES, 0xA7, "Degrades")                                                         \
    X(NGI_TYPE_STRENGTHENS, 0xA8, "Strengthens")                                                   \
    X(NGI_TYPE_WEAKENS, 0xA9, "Weakens")                                                           \
    X(NGI_TYPE_ACCELERATES, 0xAA, "Accelerates")                                                   \
    X(NGI_TYPE_DECELERATES, 0xAB, "Decelerates")                                                   \
    X(NGI_TYPE_STABILIZES, 0xAC, "Stabilizes")                                                     \
    X(NGI_TYPE_DESTABILIZES, 0xAD, "Destabilizes")                                                 \
    X(NGI_TYPE_CYCLES, 0xAE, "Cycles")                                                             \
    X(NGI_TYPE_ALTERNATES, 0xAF, "Alternates")

typedef enum ngi_type {
#define NGI_TYPE_ENUM(name, value, text) name = value,
    NGI_TYPE_TABLE(NGI_TYPE_ENUM)
#undef NGI_TYPE_ENUM
} ngi_type;

#endif
