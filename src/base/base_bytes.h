/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Little-endian integers at any address, whatever the machine. */
#ifndef NGI_BASE_BYTES_H
#define NGI_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t ngi_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (uint16_t)(p[1] << 8));
}

static inline uint32_t ngi_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t ngi_get_u64(const uint8_t *p)
{
    return (uint64_t)ngi_get_u32(p) | (uint64_t)ngi_get_u32(p + 4) << 32;
}

static inline float ngi_get_f32(const uint8_t *p)
{
    uint32_t bits = ngi_get_u32(p);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void ngi_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void ngi_put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void ngi_put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void ngi_put_f32(uint8_t *p, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    ngi_put_u32(p, bits);
}

#endif
