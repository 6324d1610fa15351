/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of spaces, entity types, connection types and parts of memory.
 *
 * Parsing ignores case, '_', '-' and blanks, so that "l1_physical", "L1Physical" and
 * "L1 physical" are one name; no table has two names that this makes equal (tested). */
#include "base/base_error.h"
#include "model/model_types.h"

#include <string.h>

/* No name is longer; a longer text cannot match and is cut. */
#define NAMES_FOLDED_MAX 48
#define NAMES_SHOWN_MAX 64

/* ASCII only and independent of the locale. */
static void names_fold(const char *text, char out[NAMES_FOLDED_MAX])
{
    size_t length = 0;
    for (; *text != '\0' && length < NAMES_FOLDED_MAX - 1; text++) {
        char c = *text;
        if (c == '_' || c == '-' || c == ' ')
            continue;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        out[length++] = c;
    }
    out[length] = '\0';
}

const char *ng_space_name(ng_space space)
{
    switch ((int)space) {
#define NAMES_SPACE(name, value, key, axes)                                                        \
    case value:                                                                                    \
        return key;
        NG_SPACE_TABLE(NAMES_SPACE)
#undef NAMES_SPACE
    default:
        return NULL;
    }
}

const char *ng_vector_metric_name(ng_vector_metric metric)
{
    switch ((int)metric) {
#define NAMES_METRIC(name, value, text)                                                            \
    case value:                                                                                    \
        return text;
        NG_VECTOR_METRIC_TABLE(NAMES_METRIC)
#undef NAMES_METRIC
    default:
        return NULL;
    }
}

ng_status ng_vector_metric_parse(const char *name, ng_vector_metric *out)
{
    if (name == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "metric: %s is NULL", name == NULL ? "name" : "out");
    char folded[NAMES_FOLDED_MAX];
    names_fold(name, folded);
    for (int metric = 0; ng_vector_metric_name((ng_vector_metric)metric) != NULL; metric++) {
        if (strcmp(folded, ng_vector_metric_name((ng_vector_metric)metric)) == 0) {
            *out = (ng_vector_metric)metric;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID, "metric \"%.*s\" is not one of cosine, dot, l2", NAMES_SHOWN_MAX,
                    name);
}

ng_status ng_space_parse(const char *text, ng_space *out)
{
    if (text == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "space: %s is NULL", text == NULL ? "text" : "out");
    char folded[NAMES_FOLDED_MAX];
    names_fold(text, folded);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        const char *key = ng_space_name((ng_space)space);
        bool level = folded[0] == 'l' && folded[1] == '1' + space;
        if (strcmp(folded, key) == 0 ||
            (level && (folded[2] == '\0' || strcmp(folded + 2, key) == 0))) {
            *out = (ng_space)space;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "space \"%.*s\" is not one of physical, sensory, motor, emotional, cognitive, "
                    "social, temporal, abstract, or L1 to L8",
                    NAMES_SHOWN_MAX, text);
}

const char *ng_entity_name(ng_entity entity)
{
    switch ((int)entity) {
#define NAMES_ENTITY(name, value, text)                                                            \
    case value:                                                                                    \
        return text;
        NG_ENTITY_TABLE(NAMES_ENTITY)
#undef NAMES_ENTITY
    default:
        return NULL;
    }
}

const char *ng_recall_part_name(ng_recall_part part)
{
    switch ((int)part) {
#define NAMES_RECALL(name, value, key, text)                                                       \
    case value:                                                                                    \
        return key;
        NG_RECALL_PART_TABLE(NAMES_RECALL)
#undef NAMES_RECALL
    default:
        return NULL;
    }
}

const char *ng_feedback_type_name(ng_feedback_type type)
{
    switch ((int)type) {
#define NAMES_FEEDBACK(name, value, key, text)                                                     \
    case value:                                                                                    \
        return key;
        NG_FEEDBACK_TYPE_TABLE(NAMES_FEEDBACK)
#undef NAMES_FEEDBACK
    default:
        return NULL;
    }
}

ng_status ng_feedback_type_parse(const char *text, ng_feedback_type *out)
{
    if (text == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "feedback type: %s is NULL", text == NULL ? "text" : "out");
    char folded[NAMES_FOLDED_MAX];
    names_fold(text, folded);
    for (int type = NG_FEEDBACK_POSITIVE; type <= NG_FEEDBACK_CORRECTION; type++) {
        if (strcmp(folded, ng_feedback_type_name((ng_feedback_type)type)) == 0) {
            *out = (ng_feedback_type)type;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "feedback type \"%.*s\" is not one of positive, negative, correction",
                    NAMES_SHOWN_MAX, text);
}

const char *ng_memory_part_name(ng_memory_part part)
{
    switch ((int)part) {
#define NAMES_PART(name, value, key, text)                                                         \
    case value:                                                                                    \
        return key;
        NG_MEMORY_TABLE(NAMES_PART)
#undef NAMES_PART
    default:
        return NULL;
    }
}

const char *ng_memory_part_text(ng_memory_part part)
{
    switch ((int)part) {
#define NAMES_PART_TEXT(name, value, key, text)                                                    \
    case value:                                                                                    \
        return text;
        NG_MEMORY_TABLE(NAMES_PART_TEXT)
#undef NAMES_PART_TEXT
    default:
        return NULL;
    }
}

const char *ng_connection_type_name(uint8_t type)
{
    static const char *const names[NG_CONNECTION_TYPE_COUNT] = {
#define NAMES_TYPE(name, value, text) [value] = text,
        NGI_TYPE_TABLE(NAMES_TYPE)
#undef NAMES_TYPE
    };
    return type < NG_CONNECTION_TYPE_COUNT ? names[type] : NULL;
}

const char *ng_connection_category_name(uint8_t type)
{
    switch (type >> 4) {
#define NAMES_CATEGORY(value, text, mutability)                                                    \
    case value:                                                                                    \
        return text;
        NGI_CATEGORY_TABLE(NAMES_CATEGORY)
#undef NAMES_CATEGORY
    default:
        return NULL;
    }
}

ng_status ng_connection_category_parse(const char *text, uint8_t *out)
{
    if (text == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "category: %s is NULL", text == NULL ? "text" : "out");
    char folded[NAMES_FOLDED_MAX], name[NAMES_FOLDED_MAX];
    names_fold(text, folded);
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type += 16) {
        names_fold(ng_connection_category_name((uint8_t)type), name);
        if (strcmp(folded, name) == 0) {
            *out = (uint8_t)type;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "category \"%.*s\" is not one of Semantic, Causal, Temporal, Spatial, Logical, "
                    "Associative, Structural, Functional, Emotional, %s, Dynamic",
                    NAMES_SHOWN_MAX, text, ng_connection_category_name(0x90));
}

ng_status ng_connection_type_parse(const char *text, uint8_t *out)
{
    if (text == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "connection type: %s is NULL", text == NULL ? "text" : "out");
    char folded[NAMES_FOLDED_MAX], name[NAMES_FOLDED_MAX];
    names_fold(text, folded);
    for (int type = 0; type < NG_CONNECTION_TYPE_COUNT; type++) {
        names_fold(ng_connection_type_name((uint8_t)type), name);
        if (strcmp(folded, name) == 0) {
            *out = (uint8_t)type;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "connection type \"%.*s\" is not one of the %d, such as AssociatedWith or "
                    "Hypernym",
                    NAMES_SHOWN_MAX, text, NG_CONNECTION_TYPE_COUNT);
}

const char *ng_mutability_name(ng_mutability mutability)
{
    static const char *const names[] = {"immutable", "learnable", "hypothesis"};
    return (unsigned)mutability <= NG_HYPOTHESIS ? names[mutability] : NULL;
}

ng_status ng_mutability_parse(const char *text, ng_mutability *out)
{
    if (text == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "mutability: %s is NULL", text == NULL ? "text" : "out");
    char folded[NAMES_FOLDED_MAX];
    names_fold(text, folded);
    for (int mutability = 0; mutability <= NG_HYPOTHESIS; mutability++) {
        if (strcmp(folded, ng_mutability_name((ng_mutability)mutability)) == 0) {
            *out = (ng_mutability)mutability;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "mutability \"%.*s\" is not one of immutable, learnable, hypothesis",
                    NAMES_SHOWN_MAX, text);
}
