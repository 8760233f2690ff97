/* A ring of frames by value. Invariant: count <= capacity; slots head .. head + count - 1 (mod capacity) are
 * in use. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void frame_queue_init(struct frame_queue *queue, unsigned capacity)
{
    *queue = (struct frame_queue){.capacity = capacity};
    queue->slots = xcalloc(capacity, sizeof *queue->slots);
}

void frame_queue_destroy(struct frame_queue *queue)
{
    free(queue->slots);
    queue->slots = NULL;
}

bool frame_queue_put(struct frame_queue *queue, const struct frame *frame)
{
    if (queue->count == queue->capacity)
        return false;
    struct frame *slot = &queue->slots[(queue->head + queue->count) % queue->capacity];
    CHECK(frame->size <= FRAME_MAX);
    slot->id = frame->id;
    slot->size = frame->size;
    memcpy(slot->data, frame->data, frame->size);
    queue->count++;
    return true;
}

struct frame *frame_queue_first(struct frame_queue *queue)
{
    return queue->count ? &queue->slots[queue->head] : NULL;
}

void frame_queue_drop_first(struct frame_queue *queue)
{
    CHECK(queue->count > 0);
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
}
