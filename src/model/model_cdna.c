/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The constitution: its default, its rules, its image.
 *
 * Image, little-endian, 384 bytes; what is not named is reserved and zero (docs/cdna.md):
 *     0 u32 magic "ADNC"      4 u16 major 3          6 u16 minor 0      8 u64 created_at
 *    16 u64 modified_at      24 u32 profile         32 u32 flags       40 u64 checksum
 *    80 f32 scales[8]       192 u64 allowed_types[4]
 *   224 u32 max_out_degree  228 u32 max_in_degree  232 u32 max_total_degree
 *   256 f32 min_token_weight            260 f32 max_token_weight
 *   264 f32 max_field_radius            268 f32 max_field_strength
 *   288 f32 min_pull_strength           292 f32 max_pull_strength     308 f32 decay_rate
 *
 * Invariants: 1. the checksum is FNV-1a (64 bits) of all bytes but its own, in every version.
 *             2. a constitution has one image: decoding refuses what encoding would not write. */
#include "model/model_cdna.h"

#include "base/base_bytes.h"

#define CDNA_MAGIC 0x434E4441u
#define CDNA_MAJOR 3 /* 2 was the original's: a mask of 64 types, degrees where ours has bits */
#define CDNA_MINOR 0
#define CDNA_CHECKSUM_OFFSET 40
#define CDNA_FLAGS_ALL 15u
#define CDNA_PROFILE_LAST 4u
#define CDNA_PROFILE_CUSTOM 255u

void ngi_cdna_default(ng_cdna *out, uint64_t now_s)
{
    *out = (ng_cdna){
        .profile = 0,
        .flags = 3, /* validation and events */
        .created_at = now_s,
        .modified_at = now_s,
        .max_out_degree = 1000,
        .max_in_degree = 1000,
        .max_total_degree = 2000,
        .min_token_weight = 0.0f,
        .max_token_weight = 1.0f,
        .max_field_radius = NGI_CDNA_FIELD_RADIUS_MAX,
        .max_field_strength = NGI_CDNA_FIELD_STRENGTH_MAX,
        .min_pull_strength = -NGI_CDNA_PULL_MAX,
        .max_pull_strength = NGI_CDNA_PULL_MAX,
        .decay_rate = 0.01f,
    };
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        out->scales[space] = 1.0f;
}

static ng_status cdna_check_range(const char *field, float value, float low, float high)
{
    if (value >= low && value <= high)
        return NG_OK;
    return ngi_fail(NG_E_INVALID, "%s %.7g is outside %.7g..%.7g", field, (double)value,
                    (double)low, (double)high);
}

static ng_status cdna_check_pair(const char *low_field, float low, const char *high_field,
                                 float high, float least, float most)
{
    ng_status status = cdna_check_range(low_field, low, least, most);
    if (status == NG_OK)
        status = cdna_check_range(high_field, high, least, most);
    if (status == NG_OK && low > high)
        status = ngi_fail(NG_E_INVALID, "%s %.7g is above %s %.7g", low_field, (double)low,
                          high_field, (double)high);
    return status;
}

static ng_status cdna_check_scales(const ng_cdna *cdna)
{
    static const float scale_max[NG_SPACE_COUNT] = {20, 20, 20, 20, 30, 20, 20, 50};
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        float scale = cdna->scales[space];
        if (!(scale > 0.0f && scale <= scale_max[space]))
            return ngi_fail(NG_E_INVALID,
                            "scale of space %s: %.7g is outside 0..%g, 0 itself excluded",
                            ng_space_name((ng_space)space), (double)scale,
                            (double)scale_max[space]);
    }
    return NG_OK;
}

static ng_status cdna_check_types(const ng_cdna *cdna)
{
    for (unsigned type = NG_CONNECTION_TYPE_COUNT; type < 256; type++) {
        if (cdna->allowed_types.bits[type >> 6] >> (type & 63) & 1)
            return ngi_fail(NG_E_INVALID, "allowed_types names type %u, outside 0..%d", type,
                            NG_CONNECTION_TYPE_COUNT - 1);
    }
    return NG_OK;
}

static ng_status cdna_check_degree(const char *field, uint32_t value, uint32_t total)
{
    if (value < 1 || value > NGI_CDNA_DEGREE_MAX)
        return ngi_fail(NG_E_INVALID, "%s %u is outside 1..%u", field, value, NGI_CDNA_DEGREE_MAX);
    if (value > total)
        return ngi_fail(NG_E_INVALID, "%s %u is above max_total_degree %u", field, value, total);
    return NG_OK;
}

static ng_status cdna_check_header(const ng_cdna *cdna)
{
    if (cdna->profile > CDNA_PROFILE_LAST && cdna->profile != CDNA_PROFILE_CUSTOM)
        return ngi_fail(NG_E_INVALID, "profile %u is not one of 0..%u or %u", cdna->profile,
                        CDNA_PROFILE_LAST, CDNA_PROFILE_CUSTOM);
    if (cdna->flags > CDNA_FLAGS_ALL)
        return ngi_fail(NG_E_INVALID, "flags %u is outside 0..%u", cdna->flags, CDNA_FLAGS_ALL);
    if (cdna->modified_at < cdna->created_at)
        return ngi_fail(NG_E_INVALID, "modified_at %llu is before created_at %llu",
                        (unsigned long long)cdna->modified_at,
                        (unsigned long long)cdna->created_at);
    return NG_OK;
}

ng_status ngi_cdna_validate(const ng_cdna *cdna)
{
    ng_status status;
    uint32_t total = cdna->max_total_degree;
    NGI_TRY(cdna_check_header(cdna));
    NGI_TRY(cdna_check_scales(cdna));
    NGI_TRY(cdna_check_types(cdna));
    NGI_TRY(cdna_check_degree("max_total_degree", total, total));
    NGI_TRY(cdna_check_degree("max_out_degree", cdna->max_out_degree, total));
    NGI_TRY(cdna_check_degree("max_in_degree", cdna->max_in_degree, total));
    NGI_TRY(cdna_check_pair("min_token_weight", cdna->min_token_weight, "max_token_weight",
                            cdna->max_token_weight, 0.0f, NGI_CDNA_WEIGHT_MAX));
    NGI_TRY(cdna_check_range("max_field_radius", cdna->max_field_radius, 0.0f,
                             NGI_CDNA_FIELD_RADIUS_MAX));
    NGI_TRY(cdna_check_range("max_field_strength", cdna->max_field_strength, 0.0f,
                             NGI_CDNA_FIELD_STRENGTH_MAX));
    NGI_TRY(cdna_check_pair("min_pull_strength", cdna->min_pull_strength, "max_pull_strength",
                            cdna->max_pull_strength, -NGI_CDNA_PULL_MAX, NGI_CDNA_PULL_MAX));
    NGI_TRY(cdna_check_range("decay_rate", cdna->decay_rate, 0.0f, 1.0f));
out:
    return status;
}

static uint64_t cdna_checksum(const uint8_t image[NGI_CDNA_BYTES])
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < NGI_CDNA_BYTES; i++) {
        if (i >= CDNA_CHECKSUM_OFFSET && i < CDNA_CHECKSUM_OFFSET + 8)
            continue;
        hash = (hash ^ image[i]) * 0x100000001b3u;
    }
    return hash;
}

void ngi_cdna_encode(const ng_cdna *cdna, uint8_t out[NGI_CDNA_BYTES])
{
    memset(out, 0, NGI_CDNA_BYTES);
    ngi_put_u32(out + 0, CDNA_MAGIC);
    ngi_put_u16(out + 4, CDNA_MAJOR);
    ngi_put_u16(out + 6, CDNA_MINOR);
    ngi_put_u64(out + 8, cdna->created_at);
    ngi_put_u64(out + 16, cdna->modified_at);
    ngi_put_u32(out + 24, cdna->profile);
    ngi_put_u32(out + 32, cdna->flags);
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        ngi_put_f32(out + 80 + 4 * space, cdna->scales[space]);
    for (int word = 0; word < 4; word++)
        ngi_put_u64(out + 192 + 8 * word, cdna->allowed_types.bits[word]);
    ngi_put_u32(out + 224, cdna->max_out_degree);
    ngi_put_u32(out + 228, cdna->max_in_degree);
    ngi_put_u32(out + 232, cdna->max_total_degree);
    ngi_put_f32(out + 256, cdna->min_token_weight);
    ngi_put_f32(out + 260, cdna->max_token_weight);
    ngi_put_f32(out + 264, cdna->max_field_radius);
    ngi_put_f32(out + 268, cdna->max_field_strength);
    ngi_put_f32(out + 288, cdna->min_pull_strength);
    ngi_put_f32(out + 292, cdna->max_pull_strength);
    ngi_put_f32(out + 308, cdna->decay_rate);
    ngi_put_u64(out + CDNA_CHECKSUM_OFFSET, cdna_checksum(out));
}

static void cdna_decode_fields(const uint8_t in[NGI_CDNA_BYTES], ng_cdna *out)
{
    *out = (ng_cdna){
        .created_at = ngi_get_u64(in + 8),
        .modified_at = ngi_get_u64(in + 16),
        .profile = ngi_get_u32(in + 24),
        .flags = ngi_get_u32(in + 32),
        .max_out_degree = ngi_get_u32(in + 224),
        .max_in_degree = ngi_get_u32(in + 228),
        .max_total_degree = ngi_get_u32(in + 232),
        .min_token_weight = ngi_get_f32(in + 256),
        .max_token_weight = ngi_get_f32(in + 260),
        .max_field_radius = ngi_get_f32(in + 264),
        .max_field_strength = ngi_get_f32(in + 268),
        .min_pull_strength = ngi_get_f32(in + 288),
        .max_pull_strength = ngi_get_f32(in + 292),
        .decay_rate = ngi_get_f32(in + 308),
    };
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        out->scales[space] = ngi_get_f32(in + 80 + 4 * space);
    for (int word = 0; word < 4; word++)
        out->allowed_types.bits[word] = ngi_get_u64(in + 192 + 8 * word);
}

ng_status ngi_cdna_decode(const uint8_t in[NGI_CDNA_BYTES], ng_cdna *out)
{
    if (ngi_get_u32(in) != CDNA_MAGIC)
        return ngi_fail(NG_E_CORRUPT, "constitution: magic %08x, expected %08x", ngi_get_u32(in),
                        CDNA_MAGIC);
    uint64_t stored = ngi_get_u64(in + CDNA_CHECKSUM_OFFSET);
    if (stored != cdna_checksum(in))
        return ngi_fail(NG_E_CORRUPT, "constitution: checksum %016llx, computed %016llx",
                        (unsigned long long)stored, (unsigned long long)cdna_checksum(in));
    unsigned major = ngi_get_u16(in + 4), minor = ngi_get_u16(in + 6);
    if (major != CDNA_MAJOR || minor != CDNA_MINOR)
        return ngi_fail(NG_E_VERSION, "constitution: version %u.%u, this library reads %d.%d",
                        major, minor, CDNA_MAJOR, CDNA_MINOR);
    ng_cdna cdna;
    uint8_t again[NGI_CDNA_BYTES];
    cdna_decode_fields(in, &cdna);
    ngi_cdna_encode(&cdna, again);
    for (int i = 0; i < NGI_CDNA_BYTES; i++) {
        if (i == CDNA_CHECKSUM_OFFSET)
            i += 8;
        if (in[i] != again[i])
            return ngi_fail(NG_E_CORRUPT, "constitution: reserved byte %d is %u, not 0", i, in[i]);
    }
    ng_status status = ngi_cdna_validate(&cdna);
    if (status == NG_OK)
        *out = cdna;
    return status;
}

bool ngi_cdna_allows_type(const ng_cdna *cdna, uint8_t type)
{
    const uint64_t *bits = cdna->allowed_types.bits;
    if (type >= NG_CONNECTION_TYPE_COUNT)
        return false;
    if ((bits[0] | bits[1] | bits[2] | bits[3]) == 0)
        return true;
    return bits[type >> 6] >> (type & 63) & 1;
}
