/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The modalities: their values, the space that each anchors, and its axes. Each has a space of its
 * own, because two meanings of the same axes could not be told apart by distance. */
#include "mind/mind_anchor_words.h"

#include <string.h>

static const ng_modality_info anchor_modalities[NG_MODALITY_COUNT] = {
    [NG_MODALITY_COLOUR] = {.name = "colour",
                            .space = NG_SPACE_SENSORY,
                            .value_count = 3,
                            .values = {"red", "green", "blue"},
                            .axes = {"red", "green", "blue"},
                            .low = 0,
                            .high = 1},
    [NG_MODALITY_EMOTION] = {.name = "emotion",
                             .space = NG_SPACE_EMOTIONAL,
                             .value_count = 3,
                             .values = {"valence", "arousal", "dominance"},
                             .axes = {"valence", "arousal", "dominance"},
                             .low = -1,
                             .high = 1},
    [NG_MODALITY_SOUND] = {.name = "sound",
                           .space = NG_SPACE_TEMPORAL,
                           .value_count = 3,
                           .values = {"volume", "pitch", "duration"},
                           .axes = {"volume", "duration", "pitch"},
                           .low = -1,
                           .high = 1},
    [NG_MODALITY_ACTION] = {.name = "action",
                            .space = NG_SPACE_MOTOR,
                            .value_count = 4,
                            .values = {"energy", "speed", "direction", "impact"},
                            .axes = {"speed", "force", "direction"},
                            .low = -1,
                            .high = 1},
    [NG_MODALITY_SPATIAL] = {.name = "spatial",
                             .space = NG_SPACE_PHYSICAL,
                             .value_count = 3,
                             .values = {"proximity", "verticality", "containment"},
                             .axes = {"proximity", "verticality", "containment"},
                             .low = -1,
                             .high = 1},
};

const ng_modality_info *ngi_modality(ng_modality modality)
{
    return &anchor_modalities[modality];
}

ng_status ngi_modality_parse(const char *text, size_t bytes, ng_modality *out)
{
    if (bytes == 5 && memcmp(text, "color", 5) == 0) {
        *out = NG_MODALITY_COLOUR;
        return NG_OK;
    }
    for (int i = 0; i < NG_MODALITY_COUNT; i++) {
        const char *name = anchor_modalities[i].name;
        if (strlen(name) == bytes && memcmp(text, name, bytes) == 0) {
            *out = (ng_modality)i;
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_INVALID,
                    "modality \"%.*s\" is none of colour, emotion, sound, action, spatial",
                    bytes < 32 ? (int)bytes : 32, text);
}

const ngi_anchor_entry *ngi_anchor_words(ng_modality modality, size_t *count)
{
    switch (modality) {
    case NG_MODALITY_COLOUR:
        *count = ngi_anchor_colour_count;
        return ngi_anchor_colour;
    case NG_MODALITY_EMOTION:
        *count = ngi_anchor_emotion_count;
        return ngi_anchor_emotion;
    case NG_MODALITY_SOUND:
        *count = ngi_anchor_sound_count;
        return ngi_anchor_sound;
    case NG_MODALITY_ACTION:
        *count = ngi_anchor_action_count;
        return ngi_anchor_action;
    default:
        *count = ngi_anchor_spatial_count;
        return ngi_anchor_spatial;
    }
}

double ngi_anchor_axis(ng_modality modality, const float values[NGI_ANCHOR_VALUES_MAX],
                       unsigned axis)
{
    static const unsigned sound_order[NG_AXIS_COUNT] = {0, 2,
                                                        1}; /* the third axis is a frequency */
    if (modality == NG_MODALITY_SOUND)
        return values[sound_order[axis]];
    if (modality != NG_MODALITY_ACTION)
        return values[axis];
    if (axis == 0)
        return values[1];
    return axis == 1 ? ((double)values[0] + (double)values[3]) / 2 : values[2];
}
