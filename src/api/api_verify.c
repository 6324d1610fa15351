/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ng_stream_verify: a stream read to its end without a store. */
#include "api/api_private.h"

#include "os/os.h"
#include "wal/wal_stream.h"

#include <stdio.h>
#include <string.h>

static void verify_uuid(const uint8_t uuid[16], char out[37])
{
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        snprintf(at, 3, "%02x", uuid[i]);
        at += 2;
    }
}

/* Reads every item; the reader verifies them. Each is at least a header long, so the loop ends with
 * the source. */
static ng_status verify_items(ngi_stream_reader *reader, ng_stream_report *report)
{
    for (;;) {
        ngi_stream_item item;
        ngi_block block;
        ngi_op op;
        ng_status status = ngi_stream_next(reader, &item, &block, &op);
        if (status != NG_OK)
            return status;
        if (item == NGI_ITEM_END)
            return NG_OK;
        if (item == NGI_ITEM_OP) {
            report->ops++;
            report->seq = op.seq;
            report->time_us = op.time_us;
        }
    }
}

ng_status ng_stream_verify(ng_source_fn source, void *source_context, char uuid[37],
                           ng_stream_report *out)
{
    ngi_stream_reader *reader = NULL;
    ng_stream_report report = {.files = 1};
    ngi_stream_head head;
    ngi_mem mem;
    if (uuid != NULL)
        uuid[0] = '\0';
    if (source == NULL)
        return api_null("source");
    ngi_mem_init(&mem, 0);
    uint64_t began_ns = ngi_os_system()->monotonic_ns(ngi_os_system());
    ng_status status = ngi_stream_reader_open(&mem, source, source_context, &head, &reader);
    if (status != NG_OK)
        return status;
    if (uuid != NULL)
        verify_uuid(head.identity.uuid, uuid);
    report.incremental = !head.whole;
    report.after = head.whole ? 0 : head.after;
    report.seq = head.whole ? head.state_seq : head.after;
    report.time_us = head.whole ? head.state_time_us : 0;
    report.tokens = head.whole ? head.token_count : 0;
    report.connections = head.whole ? head.connection_count : 0;
    status = verify_items(reader, &report);
    report.bytes = ngi_stream_offset(reader);
    report.seconds = (double)(ngi_os_system()->monotonic_ns(ngi_os_system()) - began_ns) / 1e9;
    ngi_stream_reader_close(reader);
    if (status == NG_OK && out != NULL)
        *out = report;
    return status;
}
