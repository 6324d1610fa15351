/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The public header compiles alone, twice, as C11, and what it declares can be linked. */
#include "neurograph.h"
/* NOLINTNEXTLINE(readability-duplicate-include): its guard is what is tested */
#include "neurograph.h"

_Static_assert(sizeof(ng_token) == 64, "a token is one cache line");
_Static_assert(sizeof(ng_connection) == 64, "a connection is one cache line");

int main(void)
{
    ng_token_fields fields = {.struct_size = sizeof fields};
    ng_store *store;
    ng_token_id id;
    if (ng_open(0, 0, &store) != NG_OK)
        return 1;
    ng_status status = ng_token_create(store, &fields, 0, &id);
    ng_status closed = ng_close(store);
    return status != NG_OK || id != 1 || closed != NG_OK;
}
