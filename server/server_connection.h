/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the handlers of connections share. */
#ifndef NGS_SERVER_CONNECTION_H
#define NGS_SERVER_CONNECTION_H

#include "server_private.h"

#define NGS_PATH_MAX 160 /* the path of a field in a message */

typedef struct ngs_connection_body {
    ng_connection_fields fields;
    ng_connection_id id; /* only where it is asked for */
} ngs_connection_body;

/* What a body must say. */
enum { NGS_NEEDS_ID = 1 << 0, NGS_NEEDS_ENDS = 1 << 1 };

/** "active", ... by bit. */
extern const char *const ngs_connection_flags[8];

/** Reads the fields of one connection; problems are noted under "PREFIX.NAME". */
void ngs_connection_body_walk(ngs_request *request, ngs_json_walk *walk, const char *prefix,
                              unsigned needs, ngs_connection_body *out);
/** Reads a body that is one connection; false: replied. */
bool ngs_connection_body_read(ngs_request *request, unsigned needs, ngs_connection_body *out);
/** A call about connections failed. `prefix` is the path of what it was about, such as "body". */
void ngs_connection_fail(ngs_request *request, ng_status status, const char *prefix);
/** One connection as JSON, its closing brace left out. */
void ngs_connection_out(ngs_out *out, const ng_store *store, ng_connection_id id,
                        const ng_connection *record);
/** The id in the path, of a connection or a token ("path.connection_id"); false: replied. */
bool ngs_path_id(ngs_request *request, const char *field, uint64_t *out);
/** A parameter that is "true" or "false"; notes a problem. */
void ngs_read_param_bool(ngs_request *request, const ngs_param *param, bool *out);
/** Parameters that are lists of names with commas between: connection types into a set, categories
 *  into bits. Note problems. */
void ngs_read_param_types(ngs_request *request, const ngs_param *param, ng_type_set *out);
void ngs_read_param_categories(ngs_request *request, const ngs_param *param, uint16_t *out);
/** One name of such a list, and the rest of it; false at the end. */
bool ngs_next_name(const char **list, char out[64]);

#endif
