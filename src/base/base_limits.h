/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every limit of the library, each with its reason. */
#ifndef NGI_BASE_LIMITS_H
#define NGI_BASE_LIMITS_H

#define NGI_LABEL_BYTES_MAX 1024      /* a label is a name, not a document */
#define NGI_TAGS_MAX 32               /* of a token: more is what declared fields are for */
#define NGI_TAG_BYTES_MAX 64          /* a tag is a word */
#define NGI_DATA_BYTES_MAX 65536      /* payload of a token: a document beside it is a link to it */
#define NGI_FIELDS_MAX 32             /* declared: each is looked for in every payload written */
#define NGI_FIELD_PATH_MAX 256        /* bytes */
#define NGI_FIELD_LEVELS_MAX 8        /* keys of a path */
#define NGI_KEYWORD_BYTES_MAX 256     /* a longer text is prose, not a keyword */
#define NGI_PREDICATES_MAX 8          /* of one filter */
#define NGI_PREDICATE_VALUES_MAX 32   /* of one predicate */
#define NGI_FILTER_COLLECTIONS_MAX 64 /* named by one filter: looked through for each candidate */
#define NGI_DATA_UNITS_MAX (1u << 30) /* 64 GiB of payloads in all: they live in memory */
#define NGI_TERMS_MAX (1u << 24)      /* different tags and keywords in all */
#define NGI_COLLECTION_NAME_MAX 64    /* fits file names and URLs everywhere */
#define NGI_GRIDS_MAX 100        /* named grids: as the original; a bit for each in a token's */
#define NGI_GRID_NAME_MAX 64     /* as of a collection */
#define NGI_GRID_BUCKET_MIN 0.1f /* configuration of a grid: as the original, all of it */
#define NGI_GRID_BUCKET_MAX 1000.0f
#define NGI_GRID_FIELD_NODES_MAX 100
#define NGI_VECTOR_FIELDS_MAX 15 /* named: with the default one a bit for each in 16 */
#define NGI_VECTOR_FIELD_NAME_MAX 64
#define NGI_COLLECTIONS_MAX 65536    /* a dense array, one entry each */
#define NGI_DIMENSIONS_MIN 2         /* a cosine of one number is only its sign */
#define NGI_DIMENSIONS_MAX 4096      /* the largest embeddings in use */
#define NGI_WORD_BYTES_MAX 8192      /* in a file: folded to a label, it may be much shorter */
#define NGI_NPY_HEADER_MAX 10000     /* bytes: what NumPy itself accepts */
#define NGI_BATCH_MAX 4096           /* records in one op: bounds the work under the write lock */
#define NGI_TRANSACTIONS_MAX 1024    /* open at once: what is staged in them is memory */
#define NGI_TXN_CONDITIONS_MAX 4096  /* of each kind: verified under the writer's lock */
#define NGI_OP_BYTES_MAX (80u << 20) /* 4096 records with 4096 dimensions and labels */
#define NGI_SEGMENT_BYTES_DEFAULT (64ull << 20)
#define NGI_SEGMENT_BYTES_MIN (64ull << 10)   /* smaller ones are nearly all header and rotation */
#define NGI_SEGMENT_BYTES_LIMIT (4ull << 30)  /* one segment is the unit of retention */
#define NGI_TOKENS_MAX_DEFAULT 10000000u      /* decision 21: quota of tokens */
#define NGI_CONNECTIONS_MAX_DEFAULT 40000000u /* four for each token */
#define NGI_TOKENS_MAX_LIMIT (1u << 28)       /* domain bits are 28-31 of the slot */
#define NGI_CONNECTIONS_MAX_LIMIT (1u << 30)
#define NGI_SCALE_MAX 1000000u     /* raw steps per unit */
#define NGI_SCALE_RATIO_MAX 32768u /* between the axes of a space, so that d^2 fits 64 bits */
#define NGI_COMPONENTS_MAX 24      /* 8 spaces x 3 axes */
#define NGI_QUERY_LIMIT_MAX 10000u /* rows in one answer */
#define NGI_QUERY_BYTES_MAX 4096   /* text of a query */
#define NGI_QUERY_TERMS_MAX 64     /* words of a query */
#define NGI_QUERY_WEIGHT_MAX 1000  /* of a word of a query: beyond it the others do not count */
#define NGI_QUERY_SUGGEST_MAX 10   /* labels of similar spelling for an unknown word */
#define NGI_QUERY_BATCH_MAX 1000   /* queries of one call */
#define NGI_SIMILARITY_PAIRS_MAX 1000000u   /* of one call */
#define NGI_SIMILARITY_CELLS_MAX 100000000u /* of a matrix: 800 MB of answers */
#define NGI_ODD_MAX 1000 /* tokens of which one is odd: each is compared with each */
#define NGI_FUSED_LINKED_MAX                                                                       \
    4096u /* words that a vector is moved towards: more are one direction */
#define NGI_WEAVE_NEIGHBORS_MAX 100      /* of a word: beyond it nearness says little */
#define NGI_EMBEDDING_SAMPLE_MAX 100000u /* words of a comparison: two searches each */
#define NGI_EMBEDDING_NEIGHBORS_MAX 100  /* as of weaving */
#define NGI_EMBEDDING_FIT_MAX 20000u     /* words that a rotation is made of: more change little */
#define NGI_PATH_HOPS_MAX 1024
#define NGI_DECAY_PERIOD_S 3600 /* decay rates are an hour: the least that the original waited */
#define NGI_INTERVAL_MS_DEFAULT 100u /* what a crash may cost that was not promised to be kept */
#define NGI_INTERVAL_MS_MAX 60000u
#define NGI_CHECKPOINT_BYTES_DEFAULT (256ull << 20) /* replayed in about a second */
#define NGI_CHECKPOINT_SECONDS_DEFAULT 600u
#define NGI_VIEWS_MAX 64u /* each is looked at when a page is copied for the first time */
#define NGI_VIEW_LIFETIME_MS_DEFAULT 60000u
#define NGI_VIEW_LIFETIME_MS_MAX 3600000u /* a forgotten view costs a copy of what writers touch */
#define NGI_VIEW_COPIED_BYTES_DEFAULT (256ull << 20)
#define NGI_EPOCH_SLOTS 128u /* readers at once with a cache line of their own; others share one */
#define NGI_MEMORY_BYTES_MIN 1000000000ull /* decision 21: the default is no less than 1 GB */
#define NGI_MEMORY_LIMIT_MIN (1ull << 20)  /* an empty store takes up half of it */
#define NGI_SEED_TOKENS_MAX 10000000u      /* of the preset "seed" */
#define NGI_SEED_MEMORY_BYTES 1024000000ull
#define NGI_CLEANUP_BEGIN_PERCENT 80u /* of the memory limit */
#define NGI_CLEANUP_END_PERCENT 70u
#define NGI_CLEANUP_CONFIDENCE_MAX 25u /* 10 % of 255 */
#define NGI_CLEANUP_BATCH 1024u        /* evictions in one op: a millisecond under the write lock */
#define NGI_CLEANUP_SCAN 16384u        /* records looked at under one hold of the write lock */
#define NGI_CLEANUP_REST_S 60u /* before everything is looked at again, if it was not enough */
#define NGI_SLICE_ITEMS 4096   /* records scanned under one hold of the shared lock */

/* Of anchoring. */
#define NGI_ANCHORS_MAX 65536u /* of a user's file: the largest lists of rated words have 20,000 */
#define NGI_ANCHOR_FIT_MIN 20u /* two words in each part held out */
#define NGI_ANCHOR_R2_MIN 0.1  /* below it predictions are the mean and noise */
#define NGI_ANCHOR_LAMBDA_MIN 1e-6 /* below it doubles do not tell it from 0 */
#define NGI_ANCHOR_LAMBDA_MAX 1e6  /* above it every prediction is the mean */

/* Of one recall. */
#define NGI_RECALL_TOKENS_MAX 64     /* examples, and tokens where paths begin */
#define NGI_RECALL_EXCLUDE_MAX 1000u /* looked through for each candidate that would enter */
#define NGI_RECALL_HOPS_MAX 6        /* a longer chain of relations means nothing any more */
#define NGI_RECALL_REACHED_DEFAULT 100000u
#define NGI_RECALL_REACHED_MAX 10000000u /* about 300 bytes each while it runs */
#define NGI_RECALL_SCALE_MIN 1e-6        /* as the weights of spaces */
#define NGI_RECALL_SCALE_MAX 1e6
#define NGI_RECALL_WEIGHT_MAX 1e6
#define NGI_RECALL_STEPS_MAX                                                                       \
    64 /* of a plan: a batch of each part in each of 16 rounds, and a few */

/* Of feedback. */
#define NGI_FEEDBACK_TOKENS_MAX 1000000u /* cues and what was given: each is a token */
#define NGI_FEEDBACK_PRIORS_MAX 64       /* of one cue: each is measured by every query with it */
#define NGI_FEEDBACK_LINKS_MAX 32        /* connections that one feedback teaches */
#define NGI_FEEDBACK_LIMIT_DEFAULT 0.2   /* of a prior, in units of score */
#define NGI_FEEDBACK_LIMIT_MAX 1.0       /* a score has no more */
#define NGI_FEEDBACK_RATE 0.5            /* how far one feedback of full strength goes */
#define NGI_FEEDBACK_LIST_MAX 1000       /* on one page */
#define NGI_FEEDBACK_ATTEMPTS 64         /* before other writers are too many */
#define NGI_ANSWERS_MAX 128    /* that a signal alone can name: 190 kB once there is one */
#define NGI_ANSWER_HITS_MAX 10 /* of each, with their paths: as many as a page has */

#endif
