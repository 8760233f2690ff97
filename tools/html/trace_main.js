/* The page, from top to bottom. */

drawHead();
drawOverview();
if (packetCount) {
    drawTimeline();
    drawPackets();
}
drawCosts();
if (transfer)
    drawCharts();
