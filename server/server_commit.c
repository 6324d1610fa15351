/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Replies that wait for the disk: one thread, one sync for everybody who waits.
 *
 * Event loops write with NG_WRITE_NOWAIT and queue the suspended request here with the seq it
 * depends on. The thread waits for the newest seq in the queue, then resumes all requests it
 * covers; those that arrive meanwhile share the next sync. So a loop never blocks, and the cost
 * of a sync is divided by the number of connections that write.
 *
 * Invariants
 * 1. A request in the queue is suspended and belongs to the queue.
 * 2. `stopped` never becomes false again; with it the queue stays empty. */
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

struct ngs_commit {
    ngs_server *server;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    ngs_request *queue; /* newest first; order does not matter, seqs do */
    bool stopped;
};

static void commit_refuse(ngs_request *request)
{
    ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", NULL,
                    "the server stopped before the disk had confirmed this; a write may or may "
                    "not be there after the restart");
    ngs_http_resume(request);
}

static ng_seq commit_newest(const ngs_request *queue)
{
    ng_seq newest = 0;
    for (; queue != NULL; queue = queue->next)
        if (queue->barrier > newest)
            newest = queue->barrier;
    return newest;
}

/* Takes the requests up to `seq` out of the queue. The lock is held. */
static ngs_request *commit_take(ngs_commit *commit, ng_seq seq)
{
    ngs_request *taken = NULL;
    ngs_request **link = &commit->queue;
    while (*link != NULL) {
        ngs_request *request = *link;
        if (request->barrier > seq) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        request->next = taken;
        taken = request;
    }
    return taken;
}

static void commit_resume(ngs_request *taken)
{
    while (taken != NULL) {
        ngs_request *next = taken->next;
        ngs_http_resume(taken);
        taken = next;
    }
}

/* The sync failed: what is durable is confirmed, the rest is told so. */
static void commit_fail(ngs_request *taken, ng_seq durable, ng_status status, const char *text)
{
    while (taken != NULL) {
        ngs_request *next = taken->next;
        if (taken->barrier > durable)
            ngs_reply_status_text(taken, status, text);
        ngs_http_resume(taken);
        taken = next;
    }
}

static void *commit_main(void *context)
{
    ngs_commit *commit = context;
    ng_store *store = commit->server->store;
    pthread_mutex_lock(&commit->lock);
    for (;;) {
        while (commit->queue == NULL && !commit->stopped)
            pthread_cond_wait(&commit->changed, &commit->lock);
        if (commit->queue == NULL)
            break;
        ng_seq seq = commit_newest(commit->queue);
        pthread_mutex_unlock(&commit->lock);

        ng_status status = ng_wait_durable(store, seq);
        ng_seq durable = 0;
        ng_positions(store, NULL, &durable);

        pthread_mutex_lock(&commit->lock);
        ngs_request *taken = commit_take(commit, durable > seq ? durable : seq);
        pthread_mutex_unlock(&commit->lock);
        if (status == NG_OK)
            commit_resume(taken);
        else
            commit_fail(taken, durable, status, ng_last_error());
        pthread_mutex_lock(&commit->lock);
    }
    pthread_mutex_unlock(&commit->lock);
    return NULL;
}

ngs_commit *ngs_commit_start(ngs_server *server)
{
    ngs_commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL)
        return NULL;
    commit->server = server;
    pthread_mutex_init(&commit->lock, NULL);
    pthread_cond_init(&commit->changed, NULL);
    if (pthread_create(&commit->thread, NULL, commit_main, commit) != 0) {
        pthread_cond_destroy(&commit->changed);
        pthread_mutex_destroy(&commit->lock);
        free(commit);
        return NULL;
    }
    return commit;
}

void ngs_commit_push(ngs_commit *commit, ngs_request *request)
{
    pthread_mutex_lock(&commit->lock);
    bool stopped = commit->stopped;
    bool wake = commit->queue == NULL;
    if (!stopped) {
        request->next = commit->queue;
        commit->queue = request;
    }
    pthread_mutex_unlock(&commit->lock);
    if (stopped)
        commit_refuse(request);
    else if (wake)
        pthread_cond_signal(&commit->changed);
}

void ngs_commit_stop(ngs_commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    commit->stopped = true;
    ngs_request *left = commit->queue;
    commit->queue = NULL;
    pthread_mutex_unlock(&commit->lock);
    pthread_cond_signal(&commit->changed);
    while (left != NULL) {
        ngs_request *next = left->next;
        commit_refuse(left);
        left = next;
    }
    pthread_join(commit->thread, NULL);
}

void ngs_commit_destroy(ngs_commit *commit)
{
    if (commit == NULL)
        return;
    pthread_cond_destroy(&commit->changed);
    pthread_mutex_destroy(&commit->lock);
    free(commit);
}
