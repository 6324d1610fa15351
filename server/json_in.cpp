/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON in: simdjson behind the C interface of json_in.h; the only C++ of the server.
 *
 * Values are simdjson's own 16-byte views, copied in and out of ngs_json_value. No exception
 * leaves this file: the functions of simdjson used here return error codes. */
#include "json_in.h"

#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>

#include <simdjson.h>

using namespace simdjson;

struct ngs_json_parser {
    dom::parser parser;
    bool ready = false; /* depth limit set, buffers allocated */
};

static_assert(NGS_JSON_PADDING >= SIMDJSON_PADDING, "padding too small");
static_assert(sizeof(dom::element) == sizeof(ngs_json_value), "a value holds an element");
static_assert(std::is_trivially_copyable<dom::element>::value, "values are copied as bytes");
static_assert(std::is_trivially_copyable<dom::object::iterator>::value, "walks too");
static_assert(std::is_trivially_copyable<dom::array::iterator>::value, "walks too");

namespace
{

constexpr size_t FIRST_CAPACITY = 16 * 1024;

template <typename Iterator> struct walk_state {
    uint64_t is_object;
    Iterator at;
    Iterator end;
};

static_assert(sizeof(walk_state<dom::object::iterator>) <= sizeof(ngs_json_walk), "walk too small");
static_assert(sizeof(walk_state<dom::array::iterator>) <= sizeof(ngs_json_walk), "walk too small");

ngs_json_value value_of(dom::element element)
{
    ngs_json_value value;
    std::memcpy(&value, &element, sizeof value);
    return value;
}

dom::element element_of(ngs_json_value value)
{
    dom::element element;
    std::memcpy(static_cast<void *>(&element), &value, sizeof value);
    return element;
}

template <typename Container> void walk_begin(Container container, bool object, ngs_json_walk *walk)
{
    walk_state<typename Container::iterator> state{object, container.begin(), container.end()};
    std::memcpy(static_cast<void *>(walk), &state, sizeof state);
}

std::string_view key_of(dom::object::iterator at)
{
    return at.key();
}

std::string_view key_of(dom::array::iterator)
{
    return {};
}

dom::element value_at(dom::object::iterator at)
{
    return at.value();
}

dom::element value_at(dom::array::iterator at)
{
    return *at;
}

template <typename Iterator>
bool walk_next(ngs_json_walk *walk, const char **key, size_t *key_count, ngs_json_value *out)
{
    walk_state<Iterator> state{0, Iterator(), Iterator()};
    std::memcpy(static_cast<void *>(&state), walk, sizeof state);
    if (!(state.at != state.end))
        return false;
    std::string_view name = key_of(state.at);
    if (key != nullptr) {
        *key = name.data();
        *key_count = name.size();
    }
    *out = value_of(value_at(state.at));
    ++state.at;
    std::memcpy(static_cast<void *>(walk), &state, sizeof state);
    return true;
}

} // namespace

ngs_json_parser *ngs_json_parser_create(void)
{
    return new (std::nothrow) ngs_json_parser;
}

void ngs_json_parser_destroy(ngs_json_parser *parser)
{
    delete parser;
}

size_t ngs_json_parser_capacity(const ngs_json_parser *parser)
{
    return parser->parser.capacity();
}

bool ngs_json_parse(ngs_json_parser *parser, const char *bytes, size_t count, ngs_json_value *root,
                    ngs_json_error *error)
{
    *error = {};
    if (!parser->ready) {
        if (parser->parser.allocate(FIRST_CAPACITY, NGS_JSON_DEPTH_MAX) != SUCCESS)
            return false;
        parser->ready = true;
    }
    dom::element element;
    error_code code = parser->parser.parse(bytes, count, false).get(element);
    if (code == SUCCESS) {
        *root = value_of(element);
        return true;
    }
    if (code != MEMALLOC && !ngs_json_locate(bytes, count, error))
        std::strncpy(error->message, error_message(code), sizeof error->message - 1);
    return false;
}

ngs_json_type ngs_json_type_of(ngs_json_value value)
{
    switch (element_of(value).type()) {
    case dom::element_type::ARRAY:
        return NGS_JSON_ARRAY;
    case dom::element_type::OBJECT:
        return NGS_JSON_OBJECT;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
        return NGS_JSON_INTEGER;
    case dom::element_type::DOUBLE:
        return NGS_JSON_NUMBER;
    case dom::element_type::STRING:
        return NGS_JSON_STRING;
    case dom::element_type::BOOL:
        return NGS_JSON_BOOL;
    case dom::element_type::NULL_VALUE:
        break;
    }
    return NGS_JSON_NULL;
}

const char *ngs_json_type_name(ngs_json_type type)
{
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "an array",  "an object"};
    return names[type];
}

bool ngs_json_bool(ngs_json_value value, bool *out)
{
    return element_of(value).get_bool().get(*out) == SUCCESS;
}

bool ngs_json_u64(ngs_json_value value, uint64_t *out)
{
    return ngs_json_type_of(value) == NGS_JSON_INTEGER &&
           element_of(value).get_uint64().get(*out) == SUCCESS;
}

bool ngs_json_i64(ngs_json_value value, int64_t *out)
{
    return ngs_json_type_of(value) == NGS_JSON_INTEGER &&
           element_of(value).get_int64().get(*out) == SUCCESS;
}

bool ngs_json_double(ngs_json_value value, double *out)
{
    return element_of(value).get_double().get(*out) == SUCCESS;
}

bool ngs_json_string(ngs_json_value value, const char **out, size_t *count)
{
    std::string_view view;
    if (element_of(value).get_string().get(view) != SUCCESS)
        return false;
    *out = view.data();
    *count = view.size();
    return true;
}

bool ngs_json_begin(ngs_json_value container, ngs_json_walk *walk)
{
    dom::element element = element_of(container);
    dom::object object;
    if (element.get_object().get(object) == SUCCESS) {
        walk_begin(object, true, walk);
        return true;
    }
    dom::array array;
    if (element.get_array().get(array) == SUCCESS) {
        walk_begin(array, false, walk);
        return true;
    }
    return false;
}

bool ngs_json_next(ngs_json_walk *walk, const char **key, size_t *key_count, ngs_json_value *out)
{
    if (walk->opaque[0] != 0)
        return walk_next<dom::object::iterator>(walk, key, key_count, out);
    return walk_next<dom::array::iterator>(walk, key, key_count, out);
}
