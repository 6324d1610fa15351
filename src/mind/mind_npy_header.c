/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The header of a .npy file: a dictionary as Python writes it, of which three keys are allowed, each
 * once and with one kind of value. Nothing nests, so nothing recurses. */
#include "mind/mind_npy.h"

#include "base/base_bytes.h"
#include "model/model_text.h"

#include <inttypes.h>
#include <string.h>

#define NPY_ALIGNED 8   /* magic and version */
#define NPY_AXES_MAX 32 /* as NumPy; all but two are refused, with a message that shows them */

enum { NPY_DESCR = 1, NPY_ORDER = 2, NPY_SHAPE = 4 };

typedef struct npy_parser {
    const ngi_reader *reader;
    const char *begin, *at, *stop; /* of the dictionary */
    uint64_t offset;               /* of `begin` in the file */
    unsigned keys;                 /* that were there */
    ngi_npy_shape shape;
} npy_parser;

static ng_status npy_fail_truncated(const ngi_reader *reader)
{
    return ngi_fail(NG_E_FORMAT, "%s: ends in the middle of its header (truncated file)",
                    reader->path);
}

static ng_status npy_fail(const npy_parser *parser, const char *wanted)
{
    ngi_excerpt excerpt = ngi_text_excerpt(parser->at, (size_t)(parser->stop - parser->at));
    return ngi_fail(NG_E_FORMAT, "%s byte %" PRIu64 ": '%s' is not %s", parser->reader->path,
                    parser->offset + (uint64_t)(parser->at - parser->begin), excerpt.text, wanted);
}

static void npy_skip_blanks(npy_parser *parser)
{
    while (parser->at < parser->stop &&
           (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n'))
        parser->at++;
}

/* Takes the character if it is the next one that is no blank. */
static bool npy_take(npy_parser *parser, char c)
{
    npy_skip_blanks(parser);
    if (parser->at == parser->stop || *parser->at != c)
        return false;
    parser->at++;
    return true;
}

/* Takes a word such as True, or a string with its quotes. */
static bool npy_take_text(npy_parser *parser, const char *text)
{
    size_t bytes = strlen(text);
    npy_skip_blanks(parser);
    if ((size_t)(parser->stop - parser->at) < bytes || memcmp(parser->at, text, bytes) != 0)
        return false;
    parser->at += bytes;
    return true;
}

static bool npy_take_key(npy_parser *parser, const char *key)
{
    char quoted[32];
    for (const char *quote = "'\""; *quote != 0; quote++) {
        size_t bytes = strlen(key);
        quoted[0] = quoted[bytes + 1] = *quote;
        memcpy(quoted + 1, key, bytes);
        quoted[bytes + 2] = 0;
        if (npy_take_text(parser, quoted))
            return true;
    }
    return false;
}

/* Up to the comma or bracket that ends a value, for a message; strings and brackets as they come. */
static ngi_excerpt npy_value(const npy_parser *parser)
{
    const char *p = parser->at;
    int depth = 0;
    for (; p < parser->stop; p++) {
        if (*p == '(' || *p == '[')
            depth++;
        else if ((*p == ')' || *p == ']') && depth > 0)
            depth--;
        else if (depth == 0 && (*p == ',' || *p == '}'))
            break;
    }
    return ngi_text_excerpt(parser->at, (size_t)(p - parser->at));
}

static ng_status npy_descr(npy_parser *parser)
{
    static const struct {
        const char *name;
        unsigned bytes;
    } types[] = {{"<f2", 2}, {"<f4", 4}, {"<f8", 8}};
    npy_skip_blanks(parser);
    ngi_excerpt excerpt = npy_value(parser);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (npy_take_key(parser, types[i].name)) {
            parser->shape.item_bytes = types[i].bytes;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_FORMAT, "%s: dtype %s is none of '<f2', '<f4' and '<f8'",
                    parser->reader->path, excerpt.text);
}

static ng_status npy_order(npy_parser *parser)
{
    if (npy_take_text(parser, "False"))
        return NG_OK;
    if (npy_take_text(parser, "True"))
        return ngi_fail(NG_E_FORMAT,
                        "%s: is in Fortran order, column by column; numpy.ascontiguousarray makes "
                        "rows of it",
                        parser->reader->path);
    return npy_fail(parser, "True or False");
}

/* An unsigned integer of at most 18 digits; NumPy of Python 2 wrote an L behind it. */
static bool npy_integer(npy_parser *parser, uint64_t *out)
{
    npy_skip_blanks(parser);
    const char *p = parser->at;
    uint64_t value = 0;
    for (; p < parser->stop && *p >= '0' && *p <= '9' && p - parser->at < 18; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    if (p == parser->at || (p < parser->stop && *p >= '0' && *p <= '9'))
        return false;
    parser->at = p < parser->stop && *p == 'L' ? p + 1 : p;
    *out = value;
    return true;
}

static ng_status npy_shape(npy_parser *parser)
{
    uint64_t axes[NPY_AXES_MAX] = {0};
    size_t count = 0;
    npy_skip_blanks(parser);
    ngi_excerpt excerpt = npy_value(parser);
    if (!npy_take(parser, '('))
        return npy_fail(parser, "a shape");
    while (!npy_take(parser, ')')) {
        if (count == NPY_AXES_MAX || !npy_integer(parser, &axes[count]))
            return npy_fail(parser, "the length of an axis");
        count++;
        if (!npy_take(parser, ',') && (parser->at == parser->stop || *parser->at != ')'))
            return npy_fail(parser, "',' or ')'");
    }
    if (count != 2)
        return ngi_fail(NG_E_FORMAT, "%s: the shape %s is not (words, dimensions)",
                        parser->reader->path, excerpt.text);
    if (axes[1] < NGI_DIMENSIONS_MIN || axes[1] > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_FORMAT, "%s: shape %s: %" PRIu64 " numbers are outside %d..%d",
                        parser->reader->path, excerpt.text, axes[1], NGI_DIMENSIONS_MIN,
                        NGI_DIMENSIONS_MAX);
    parser->shape.rows = axes[0];
    parser->shape.dimensions = (uint32_t)axes[1];
    return NG_OK;
}

static ng_status npy_entry(npy_parser *parser)
{
    static const struct {
        const char *name;
        unsigned bit;
        ng_status (*parse)(npy_parser *parser);
    } keys[] = {{"descr", NPY_DESCR, npy_descr},
                {"fortran_order", NPY_ORDER, npy_order},
                {"shape", NPY_SHAPE, npy_shape}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if ((parser->keys & keys[i].bit) != 0 || !npy_take_key(parser, keys[i].name))
            continue;
        parser->keys |= keys[i].bit;
        return npy_take(parser, ':') ? keys[i].parse(parser) : npy_fail(parser, "':'");
    }
    npy_skip_blanks(parser);
    return npy_fail(parser, "one of the keys descr, fortran_order and shape, each once");
}

static ng_status npy_dictionary(npy_parser *parser)
{
    if (!npy_take(parser, '{'))
        return npy_fail(parser, "the dictionary of a header");
    while (!npy_take(parser, '}')) {
        ng_status status = npy_entry(parser);
        if (status != NG_OK)
            return status;
        if (!npy_take(parser, ',') && (parser->at == parser->stop || *parser->at != '}'))
            return npy_fail(parser, "',' or '}'");
    }
    npy_skip_blanks(parser);
    if (parser->at != parser->stop)
        return npy_fail(parser, "the end of the header");
    if (parser->keys != (NPY_DESCR | NPY_ORDER | NPY_SHAPE))
        return ngi_fail(NG_E_FORMAT, "%s: its header lacks %s", parser->reader->path,
                        (parser->keys & NPY_DESCR) == 0   ? "descr"
                        : (parser->keys & NPY_ORDER) == 0 ? "fortran_order"
                                                          : "shape");
    return NG_OK;
}

ng_status ngi_npy_read_header(ngi_reader *reader, ngi_npy_shape *out)
{
    ng_status status = ngi_reader_want(reader, NPY_ALIGNED + 4 + NGI_NPY_HEADER_MAX);
    if (status != NG_OK)
        return status;
    const uint8_t *p = (const uint8_t *)reader->data + reader->at;
    size_t rest = reader->end - reader->at;
    size_t shown = rest < NGI_NPY_MAGIC_BYTES ? rest : NGI_NPY_MAGIC_BYTES;
    if (rest == 0)
        return ngi_fail(NG_E_FORMAT, "%s: is empty", reader->path);
    if (memcmp(p, NGI_NPY_MAGIC, shown) != 0) {
        ngi_excerpt excerpt = ngi_text_excerpt((const char *)p, shown);
        return ngi_fail(NG_E_FORMAT, "%s byte 0: '%s' does not begin a .npy file", reader->path,
                        excerpt.text);
    }
    if (rest < NPY_ALIGNED + 2)
        return npy_fail_truncated(reader);
    unsigned major = p[6], minor = p[7];
    if (major < 1 || major > 3 || minor != 0)
        return ngi_fail(NG_E_FORMAT, "%s byte 6: version %u.%u is none of 1.0, 2.0 and 3.0",
                        reader->path, major, minor);
    size_t begin = NPY_ALIGNED + (major == 1 ? 2 : 4);
    if (rest < begin)
        return npy_fail_truncated(reader);
    size_t bytes = major == 1 ? ngi_get_u16(p + NPY_ALIGNED) : ngi_get_u32(p + NPY_ALIGNED);
    if (bytes > NGI_NPY_HEADER_MAX)
        return ngi_fail(NG_E_FORMAT, "%s byte %d: a header of %zu bytes is longer than %d",
                        reader->path, NPY_ALIGNED, bytes, NGI_NPY_HEADER_MAX);
    if (rest < begin + bytes)
        return npy_fail_truncated(reader);

    npy_parser parser = {.reader = reader,
                         .begin = (const char *)p + begin,
                         .at = (const char *)p + begin,
                         .stop = (const char *)p + begin + bytes,
                         .offset = begin};
    status = npy_dictionary(&parser);
    if (status != NG_OK)
        return status;
    reader->at += begin + bytes;
    *out = parser.shape;
    return NG_OK;
}
