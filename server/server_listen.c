/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where the server listens: loopback alone, because there is no authentication yet.
 *
 * Names are not resolved: "localhost" is 127.0.0.1 by definition here, and every other name is
 * refused, so that a resolver cannot move the server to another interface. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_private.h"

#define LISTEN_BACKLOG 1024

typedef union listen_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} listen_address;

/* Splits "HOST:PORT" or "[HOST]:PORT". */
static bool listen_split(const char *text, char host[64], unsigned long *port)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    const char *end = colon;
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    if (*text == '[') {
        begin++;
        end--;
        if (end < begin || *end != ']')
            return false;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return false;
    }
    if (end == begin || end - begin >= 64)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    char *rest;
    *port = strtoul(colon + 1, &rest, 10);
    return *rest == '\0' && rest - colon <= 6 && *port <= 65535;
}

static bool listen_parse_host(const char *host, listen_address *out)
{
    memset(out, 0, sizeof *out);
    if (strcasecmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        return ntohl(out->v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        return IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr);
    }
    return false;
}

static int listen_open(const listen_address *address, socklen_t size)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    /* A restart must not wait for connections of the previous run to leave TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address->any, size) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static void listen_url(int fd, char *url, size_t url_size)
{
    listen_address bound = {0};
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, &bound.any, &size) != 0)
        memset(&bound, 0, sizeof bound);
    if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.v6.sin6_addr, host, sizeof host);
        snprintf(url, url_size, "http://[%s]:%u", host, ntohs(bound.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &bound.v4.sin_addr, host, sizeof host);
        snprintf(url, url_size, "http://%s:%u", host, ntohs(bound.v4.sin_port));
    }
}

int ngs_listen(const char *text, char *url, size_t url_size, bool *wrong_option, char *message,
               size_t message_size)
{
    char host[64];
    unsigned long port;
    listen_address address;
    *wrong_option = true;
    if (!listen_split(text, host, &port)) {
        snprintf(message, message_size,
                 "listen \"%s\" is not HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000", text);
        return -1;
    }
    if (!listen_parse_host(host, &address)) {
        snprintf(message, message_size,
                 "listen \"%s\" is not a loopback address (127.x.x.x, localhost, [::1]); the "
                 "server has no authentication, so other addresses are refused",
                 text);
        return -1;
    }
    *wrong_option = false;
    bool v6 = address.any.sa_family == AF_INET6;
    if (v6)
        address.v6.sin6_port = htons((uint16_t)port);
    else
        address.v4.sin_port = htons((uint16_t)port);
    int fd = listen_open(&address, v6 ? sizeof address.v6 : sizeof address.v4);
    if (fd < 0) {
        snprintf(message, message_size, "cannot listen on %s: %s", text, strerror(errno));
        return -1;
    }
    listen_url(fd, url, url_size);
    return fd;
}

bool ngs_host_is_local(const char *host)
{
    char name[64];
    size_t length = strcspn(host, ":");
    if (*host == '[') {
        const char *close = strchr(host, ']');
        if (close == NULL)
            return false;
        host++;
        length = (size_t)(close - host);
    }
    if (length == 0 || length >= sizeof name)
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    listen_address address;
    return listen_parse_host(name, &address);
}
