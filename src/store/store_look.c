/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A reader whose token is being changed. */
#include "store/store_look.h"

#define LOOK_SPINS_MAX 64u /* a few microseconds: most changes are shorter */

static inline void look_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool look_is_even(store_look *look)
{
    unsigned odd = 0;
    for (unsigned i = 0; i < look->count_count; i++)
        odd |= look->before[i] = ngi_change_count(look->counts[i]);
    return (odd & 1u) == 0;
}

/* The writer may have lost its processor in the middle of a change: then only a wait that lets go of
 * this one helps. */
void ngi_store_look_wait(store_look *look)
{
    if (look->tries < STORE_LOOK_TRIES_MAX) {
        for (unsigned spins = 0; spins < LOOK_SPINS_MAX; spins++) {
            look_pause();
            if (look_is_even(look))
                return;
        }
    }
    ngi_rwlock_read(&store_mutable(look->store)->index_lock);
    look->is_locked = true;
    (void)look_is_even(look); /* under the lock it always is */
}
