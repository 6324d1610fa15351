/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h over the black box: its events, read without opening the store, and notes of the
 * program around it. */
#include "api/api_private.h"
#include "os/os_blackbox.h"
#include "store/store_private.h"

ng_status ng_blackbox_read(const char *path, ng_event_fn each, void *context)
{
    API_REQUIRE(path);
    API_REQUIRE(each);
    if (path[0] == '\0')
        return ngi_fail(NG_E_INVALID, "path is empty");
    return ngi_blackbox_read(ngi_os_system(), path, each, context);
}

void ng_blackbox_note(ng_store *store, const char *text)
{
    if (store != NULL && text != NULL)
        ngi_blackbox_note(store->box, "host", ngi_wal_applied(store->wal), "%s", text);
}
