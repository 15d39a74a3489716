//go:build ignore

// The yardstick: the least that a server can do to send each event to each subscriber, one send for one event and
// subscriber, in a plain loop on one core. It knows one topic, keeps nothing, and believes what it is told.
//
//     cc -O2 -o yardstick yardstick.c && ./yardstick 3900
//
// GET subscribes. POST publishes, each line of the body an event, and is answered when all have been sent.
//
// With -DTLS it is the least that a server over TLS can do: one SSL_write instead of the send.
//
//     cc -O2 -DTLS -o yardstick yardstick.c -lssl -lcrypto && ./yardstick 3900 cert.pem key.pem

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef TLS
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#endif

enum { MAX_FDS = 65536, MAX_REQUEST = 1 << 20 };

static int subscribers[MAX_FDS]; // their sockets, without gaps
static int count;
static int place[MAX_FDS];       // by socket: where it is in subscribers, from 1; 0 if it is none
static char *requests[MAX_FDS];  // by socket: what has come of a request, NULL if nothing has
static int lengths[MAX_FDS];

static void die(const char *what) {
    perror(what);
    exit(1);
}

#ifdef TLS
static SSL_CTX *context;
static SSL *sessions[MAX_FDS]; // by socket

static void begin_tls(char **argv) {
    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_file(context, argv[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) {
        die("certificate");
    }
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); // an idle connection has none
}

static void begin(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK); // a handshake must not hold up the others
    sessions[fd] = SSL_new(context);
    SSL_set_fd(sessions[fd], fd);
    SSL_set_accept_state(sessions[fd]);
}

static void end(int fd) {
    SSL_free(sessions[fd]);
    sessions[fd] = NULL;
}

static ssize_t receive(int fd, void *data, size_t n) {
    int got = SSL_read(sessions[fd], data, n);
    if (got > 0) return got;
    errno = SSL_get_error(sessions[fd], got) == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
    return -1;
}

// Who reads slowly holds up all, but nothing is lost.
static void send_all(int fd, const char *data, size_t n) {
    int sent;
    while ((sent = SSL_write(sessions[fd], data, n)) <= 0) {
        if (SSL_get_error(sessions[fd], sent) != SSL_ERROR_WANT_WRITE) return; // it has gone, which epoll will say
        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    }
}
#else
static void begin_tls(char **argv) {}
static void begin(int fd) {}
static void end(int fd) {}
static ssize_t receive(int fd, void *data, size_t n) { return recv(fd, data, n, MSG_DONTWAIT); }

// A blocking send: who reads slowly holds up all, but nothing is lost.
static void send_all(int fd, const char *data, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
        if (sent < 0) return; // it has gone, which epoll will say
        data += sent;
        n -= sent;
    }
}
#endif

static void publish(const char *line, size_t n) {
    static char frame[MAX_REQUEST + 16];
    memcpy(frame, "data: ", 6);
    memcpy(frame + 6, line, n);
    memcpy(frame + 6 + n, "\n\n", 2);
    for (int i = 0; i < count; i++) send_all(subscribers[i], frame, n + 8);
}

static void leave(int fd) {
    if (place[fd]) {
        int last = subscribers[--count];
        subscribers[place[fd] - 1] = last;
        place[last] = place[fd];
        place[fd] = 0;
    }
    free(requests[fd]);
    requests[fd] = NULL;
    end(fd);
    close(fd);
}

static void subscribe(int fd) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";
    send_all(fd, head, sizeof head - 1);
    subscribers[count++] = fd;
    place[fd] = count;
    free(requests[fd]); // an idle subscriber shall cost nothing here
    requests[fd] = NULL;
}

// Answers a request if all of it has come. It returns how many bytes that was.
static int answer(int fd) {
    char *text = requests[fd], *end = strstr(text, "\r\n\r\n");
    if (!end) return 0;
    end += 4;
    if (!strncmp(text, "GET ", 4)) {
        subscribe(fd);
        return -1;
    }
    char *field = strcasestr(text, "\r\nContent-Length:");
    int length = field && field < end ? atoi(field + 17) : 0;
    if (lengths[fd] - (end - text) < length) return 0;
    for (char *line = end, *stop = end + length; line < stop;) {
        char *newline = memchr(line, '\n', stop - line);
        if (!newline) newline = stop;
        publish(line, newline - line);
        line = newline + 1;
    }
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    send_all(fd, ok, sizeof ok - 1);
    return end - text + length;
}

static void ready(int fd) {
    static char waste[4096];
    if (place[fd]) { // a subscriber has nothing to say, but it may leave
        if (receive(fd, waste, sizeof waste) <= 0 && errno != EAGAIN) leave(fd);
        return;
    }
    if (!requests[fd]) {
        requests[fd] = malloc(MAX_REQUEST + 1);
        if (!requests[fd]) die("malloc");
        lengths[fd] = 0;
    }
    ssize_t n = receive(fd, requests[fd] + lengths[fd], MAX_REQUEST - lengths[fd]);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) leave(fd);
        return;
    }
    lengths[fd] += n;
    requests[fd][lengths[fd]] = 0;
    int used = answer(fd);
    if (used > 0) memmove(requests[fd], requests[fd] + used, (lengths[fd] -= used) + 1);
}

int main(int argc, char **argv) {
    if (argc > 3) begin_tls(argv);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 3900)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 4096)) die("listen");
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event)) die("epoll");
    for (;;) {
        int n = epoll_wait(set, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                ready(fd);
                continue;
            }
            int conn = accept(listener, NULL, NULL);
            if (conn < 0) continue;
            if (conn >= MAX_FDS) {
                close(conn);
                continue;
            }
            begin(conn);
            event.data.fd = conn;
            if (epoll_ctl(set, EPOLL_CTL_ADD, conn, &event)) die("epoll_ctl");
        }
    }
}
