/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids as a view shows them. */
#include "store/store_view.h"

#define NAMED_CHUNK 64u /* on the stack */

size_t ngi_view_grids(const ng_view *view, uint8_t *out)
{
    size_t bytes = 0;
    for (ng_grid_id id = 1; view->grids != NULL && id <= NGI_GRIDS_MAX; id++)
        if (view->grids[id - 1].is_there)
            bytes += ngi_named_image_encode(id, &view->grids[id - 1], out + bytes);
    return bytes;
}

static void view_add_member(uint32_t slot, const store_members *members, ngi_view_items *items)
{
    uint8_t *at = items->out + items->bytes;
    if (items->count++ == 0)
        items->first = slot;
    ngi_put_u32(at, slot);
    ngi_put_u32(at + 4, 0);
    for (uint32_t word = 0; word < STORE_GRID_WORDS; word++)
        ngi_put_u64(at + 8 + 8 * (size_t)word, members->bits[word]);
    items->bytes += STORE_MEMBER_BYTES;
}

ng_status ngi_view_members(const ng_view *view, uint32_t *next, ngi_view_items *items)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    uint32_t end =
        view->member_end - *next < NGI_SLICE_ITEMS ? view->member_end : *next + NGI_SLICE_ITEMS;
    while (*next < end && !items->full) {
        store_members members[NAMED_CHUNK];
        uint32_t some = end - *next < NAMED_CHUNK ? end - *next : NAMED_CHUNK;
        ngi_view_read(view, VIEW_MEMBERS, *next, some, view->member_end, members);
        for (uint32_t i = 0; i < some && !items->full; i++) {
            bool any = (members[i].bits[0] | members[i].bits[1]) != 0;
            items->full = any && items->bytes + STORE_MEMBER_BYTES > items->capacity;
            if (any && !items->full)
                view_add_member(*next, &members[i], items);
            *next += !items->full;
        }
    }
    ngi_view_read_end(view);
    return NG_OK;
}
