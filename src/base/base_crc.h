/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* CRC32C (Castagnoli): SSE4.2 or ARMv8 instructions where present, a small table elsewhere. */
#ifndef NGI_BASE_CRC_H
#define NGI_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/** CRC32C of `bytes` bytes, continuing from `crc` (0 to begin). RFC 3720, appendix B.4. */
uint32_t ngi_crc32c(uint32_t crc, const void *data, size_t bytes);
/** CRC32C of two pieces one behind the other, from theirs: `second` is that of `second_bytes` bytes. For
 *  pieces of data whose checksum is known without reading them again. */
uint32_t ngi_crc32c_join(uint32_t first, uint32_t second, uint64_t second_bytes);
/** The table version, for machines without the instruction and as its twin in tests. */
uint32_t ngi_crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
