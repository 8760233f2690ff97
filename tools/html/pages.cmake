# The pages and the files they are made of.
make_page(trace CHART TEMPLATE trace.html
    STYLE page.css trace.css
    SCRIPT common.js drawer.js trace_model.js trace_behind.js trace_overview.js trace_charts.js trace_timeline.js
        trace_packets.js trace_ways.js trace_costs.js trace_main.js)
make_page(experiments TEMPLATE experiments.html
    STYLE page.css experiments.css
    SCRIPT common.js drawer.js experiments.js)
