/* Both threads at once, for ThreadSanitizer: packets come in over a real socket while legs, sources and slots come,
 * change and go. Ends by itself after the given seconds and prints how many datagrams came out. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../../media/plane/native/plane.h"

static const uint8_t KEY[16] = {1}, SALT[12] = {2};
static const fw_extensions NUMBERS = {.mid = 1, .level = 2, .send_time = 3, .transport_seq = 4};
static atomic_bool is_over;

struct sender {
    int socket;
    struct sockaddr_in to;
};

static double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int open_socket(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (one < 0 || bind(one, (struct sockaddr *)address, length) || getsockname(one, (struct sockaddr *)address, &length))
        exit(2);
    return one;
}

static fw_address spell(const struct sockaddr_in *address)
{
    fw_address spelt = {.family = 4, .port = ntohs(address->sin_port)};
    memcpy(spelt.host, &address->sin_addr, 4);
    return spelt;
}

static void *send_packets(void *argument)
{
    struct sender *sender = argument;
    struct srtp *srtp = srtp_open(0, true, KEY, SALT);
    for (uint64_t index = 0; srtp != NULL && !atomic_load(&is_over); index++) {
        bool is_video = index % 3 != 0;
        uint64_t number = index / 3 + (is_video ? index % 3 * 4 : 0); /* with gaps and duplicates */
        uint8_t packet[200] = {0x80, is_video ? 96 : 111, (uint8_t)(number >> 8), (uint8_t)number, 0, 0,
                               (uint8_t)(number >> 2), 0, 0, 0, 0, is_video ? 10 : 20};
        const uint8_t payload[100] = {0x10, number % 16 != 0};
        size_t length = srtp_protect(srtp, packet, 12, payload, sizeof payload, packet[11], number);
        sendto(sender->socket, packet, length, 0, (struct sockaddr *)&sender->to, sizeof sender->to);
        if (index % 64 == 0)
            usleep(100);
    }
    srtp_close(srtp);
    return NULL;
}

static fw_handle add_leg(fw *f, const struct sockaddr_in *address)
{
    fw_address spelt = spell(address);
    fw_handle leg = fw_add_leg(f, monotonic());
    fw_update_leg(f, leg, &NUMBERS, 0, monotonic());
    fw_key(f, leg, 0, KEY, SALT, KEY, SALT);
    fw_admit(f, leg, 0, &spelt);
    fw_direct(f, leg, 0, &spelt);
    return leg;
}

static void live(fw *f, const struct sockaddr_in *publisher, const struct sockaddr_in *receiver)
{
    static uint8_t records[65536];
    uint16_t numbers[FW_ARRIVALS] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t instants[FW_ARRIVALS];
    fw_handle layers[2][FW_LAYERS], sources[2], slots[2];
    fw_leg_figures figures;
    fw_handle from = add_leg(f, publisher), to = add_leg(f, receiver);
    for (int i = 0; i < 2; i++) {
        fw_source source = {.is_video = i, .codec = i, .payload_type = i ? 96 : 111, .rtx_payload_type = -1,
                            .red_payload_type = -1, .is_open = 1, .layers = 1, .ssrc = {i ? 10 : 20}, .tap = 1};
        fw_slot slot = {.is_video = i, .ssrc = (uint32_t)(30 + i), .rtx_ssrc = (uint32_t)(40 + i),
                        .payload_type = {111, 96}, .rtx_payload_type = {-1, 97}, .red_payload_type = 63};
        sources[i] = fw_add_source(f, from, &source, layers[i]);
        slots[i] = fw_add_slot(f, to, &slot);
        fw_connect(f, slots[i], sources[i], 0, monotonic());
    }
    for (int i = 0; i < 200; i++) {
        fw_retransmit(f, slots[1], numbers, 8, monotonic());
        fw_choose(f, slots[1], i % 2 - 1, monotonic());
        fw_missing(f, layers[1][0], numbers, monotonic());
        fw_arrivals(f, from, numbers, instants);
        fw_leg_read(f, to, &figures);
        fw_take(f, records, sizeof records);
        fw_budget(f, to, i % 2 ? 1e6 : -1, monotonic());
    }
    fw_remove_source(f, sources[0]);
    fw_remove_leg(f, from);
    fw_remove_leg(f, to);
}

int main(int count, char **arguments)
{
    struct sockaddr_in server, publisher, receiver;
    int sockets[] = {open_socket(&server)}, sink = open_socket(&receiver);
    struct sender sender = {open_socket(&publisher), server};
    double end = monotonic() + (count > 1 ? atof(arguments[1]) : 3);
    pthread_t thread;
    fw *f = fw_new();
    if (f == NULL || fw_start(f, sockets, 1, 0) < 0 || pthread_create(&thread, NULL, send_packets, &sender))
        return 2;
    while (monotonic() < end)
        live(f, &publisher, &receiver);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    fw_stop(f);
    fw_free(f);
    int received = 0;
    char data[2048];
    while (recv(sink, data, sizeof data, MSG_DONTWAIT) > 0)
        received++;
    printf("%d datagrams\n", received);
    return received == 0;
}
