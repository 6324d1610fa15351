/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the values of a connection mean: how a confidence fades, the force at a distance, and what
 * being used does to it. Pure functions of a record. */
#include "model/model_token.h"

#include "base/base_limits.h"

#include <math.h>

uint8_t ngi_connection_fading(const ng_connection *record)
{
    bool fades = record->mutability == NG_HYPOTHESIS ||
                 (record->mutability == NG_LEARNABLE && (record->flags & NG_CONNECTION_DECAYING));
    return fades ? record->decay_rate : 0;
}

static double law_stored_confidence(const ng_connection *record)
{
    return record->mutability == NG_IMMUTABLE ? 1.0 : record->confidence / 255.0;
}

double ng_connection_confidence(const ng_connection *record, uint64_t time_us)
{
    if (record == NULL)
        return 0;
    double stored = law_stored_confidence(record);
    uint64_t since_us = (uint64_t)record->last_update * 1000000;
    uint8_t fading = ngi_connection_fading(record);
    if (fading == 0 || time_us <= since_us) /* a clock that was set back restores nothing */
        return stored;
    double periods = (double)(time_us - since_us) / (1e6 * NGI_DECAY_PERIOD_S);
    return stored * pow((255 - fading) / 255.0, periods);
}

ng_status ng_connection_force(const ng_connection *record, double distance, uint64_t time_us,
                              double *out)
{
    if (record == NULL || out == NULL)
        return ngi_fail(NG_E_INVALID, "%s is NULL", record == NULL ? "record" : "out");
    if (!isfinite(distance) || distance < 0)
        return ngi_fail(NG_E_INVALID, "distance %g is not a finite number >= 0", distance);
    double confidence =
        time_us == 0 ? law_stored_confidence(record) : ng_connection_confidence(record, time_us);
    double force = record->rigidity / 255.0 * (double)record->pull_strength * confidence *
                   (distance - (double)record->preferred_distance);
    *out = record->flags & NG_CONNECTION_INHIBITORY ? -force : force;
    return NG_OK;
}

void ngi_connection_activate(ng_connection *record, uint32_t now_s)
{
    if (record->activation_count < UINT32_MAX)
        record->activation_count++;
    record->last_activation = now_s;
    record->flags |= NG_CONNECTION_ACTIVE;
    if (record->mutability != NG_LEARNABLE)
        return;
    record->flags |= NG_CONNECTION_REINFORCED;
    if (record->rigidity < UINT8_MAX)
        record->rigidity++;
}

bool ngi_connection_learn(ng_connection *record, bool succeeded, double share, uint64_t now_us)
{
    double step = record->learning_rate / 255.0 * share;
    if (record->mutability == NG_IMMUTABLE)
        return false;
    double confidence = ng_connection_confidence(record, now_us) + (succeeded ? step : -step / 2);
    uint8_t next = (uint8_t)rint(255.0 * fmin(fmax(confidence, 0), 1));
    uint16_t evidence = record->evidence_count;
    if (succeeded && evidence < UINT16_MAX)
        evidence++;
    if (next == record->confidence && evidence == record->evidence_count)
        return false;
    record->confidence = next;
    record->evidence_count = evidence;
    record->last_update = (uint32_t)(now_us / 1000000);
    record->flags |= NG_CONNECTION_MODIFIED;
    return true;
}
