/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The public header compiles alone, twice, as C++17, and what it declares can be linked. */
#include "neurograph.h"
/* NOLINTNEXTLINE(readability-duplicate-include): its guard is what is tested */
#include "neurograph.h"

static_assert(sizeof(ng_token) == 64, "a token is one cache line");
static_assert(sizeof(ng_connection) == 64, "a connection is one cache line");

int main()
{
    ng_token_fields fields{};
    fields.struct_size = sizeof fields;
    ng_store *store = nullptr;
    ng_token_id id = 0;
    if (ng_open(nullptr, nullptr, &store) != NG_OK)
        return 1;
    const ng_status status = ng_token_create(store, &fields, nullptr, &id);
    const ng_status closed = ng_close(store);
    return status != NG_OK || id != 1 || closed != NG_OK;
}
