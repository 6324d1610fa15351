/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Coordinates of tokens that exist, written in batches, and only where they differ from what is
 * stored: so a second run writes nothing, and an interrupted one goes on where it stopped. */
#include "mind/mind_private.h"

#include "base/base_limits.h"

#include <string.h>

ng_status ngi_places_init(ngi_places *places, ngi_load *load)
{
    ng_info info;
    ng_status status;
    void *block;
    *places = (ngi_places){.load = load};
    NGI_TRY(ngi_store_info(load->store, &info));
    memcpy(places->encoding.scale, info.scales, sizeof places->encoding.scale);
    memcpy(places->encoding.origin, info.origins, sizeof places->encoding.origin);
    NGI_TRY(
        ngi_alloc(load->mem, NGI_BATCH_MAX * sizeof *places->fields, "coordinate batch", &block));
    places->fields = block;
    NGI_TRY(ngi_alloc(load->mem, NGI_BATCH_MAX * sizeof *places->ids, "coordinate batch", &block));
    places->ids = block;
out:
    return status;
}

void ngi_places_release(ngi_places *places)
{
    if (places->load == NULL)
        return;
    ngi_free(places->load->mem, places->fields, NGI_BATCH_MAX * sizeof *places->fields);
    ngi_free(places->load->mem, places->ids, NGI_BATCH_MAX * sizeof *places->ids);
}

/* Takes out of `fields` the spaces in which the record stands as they say. */
static ng_status places_reduce(const ngi_places *places, const ng_token *record,
                               ng_token_fields *fields)
{
    for (unsigned s = 0; s < NG_SPACE_COUNT; s++) {
        uint8_t bit = (uint8_t)(1u << s);
        int16_t raw[NG_AXIS_COUNT];
        if ((fields->spaces_clear & bit) != 0 && record->coordinates[s][0] == NG_COORDINATE_ABSENT)
            fields->spaces_clear &= (uint8_t)~bit;
        if ((fields->spaces_set & bit) == 0)
            continue;
        ng_status status =
            ngi_space_encode(&places->encoding, (ng_space)s, fields->coordinates[s], raw);
        if (status != NG_OK)
            return status;
        if (memcmp(raw, record->coordinates[s], sizeof raw) == 0)
            fields->spaces_set &= (uint8_t)~bit;
    }
    return NG_OK;
}

ng_status ngi_places_flush(ngi_places *places)
{
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    if (places->count == 0)
        return NG_OK;
    ng_status status = ngi_store_token_put(places->load->store, places->ids, places->fields,
                                           places->count, &write, NULL);
    if (status != NG_OK)
        return status;
    places->changed_count += places->count;
    places->count = 0;
    return ngi_task_committed(&places->load->task, seq);
}

ng_status ngi_places_add(ngi_places *places, ng_token_id id, const ng_token *record,
                         const ng_token_fields *fields)
{
    ng_token_fields *to = &places->fields[places->count];
    *to = *fields;
    ng_status status = places_reduce(places, record, to);
    if (status != NG_OK || (to->spaces_set | to->spaces_clear) == 0)
        return status;
    places->ids[places->count++] = id;
    return places->count == NGI_BATCH_MAX ? ngi_places_flush(places) : NG_OK;
}
